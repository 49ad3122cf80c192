"""Every command in the environment of each extra: it works, or says in one line what to install."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from packhorse.cli.study import STUDIES

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
_NAME = re.compile(r"[A-Za-z0-9._-]+")
#: Those that say how packhorse is built and tested are no environment of a user.
NOT_OURS = {"test", "dev"}
#: What commands do in the middle of what they are for, without measuring anything for long.
COMMANDS: dict[str, list[str]] = {
    "version": ["--version"],
    "version of a command": ["race", "--version"],
    "help": ["--help"],
    "race": ["race", "--pipeline", "nonsense"],
    "judge": ["judge", "race", "--objective", "size"],
    "gate": ["gate", "--base", "nonsense", "--environment", "here"],
    "report": ["report", "race"],
    "publish": ["publish", "race", "--to", "p.toml"],
    "upload": ["upload", "my.har", "s3://bucket/x", "--profile", "nonsense"],
    "fetch": ["fetch", "nonsense"],
    "redact": ["redact", "my.har"],
    "synth": ["synth", "--entries", "2", "-o", "new.har"],
    "captures": ["captures", "compare", "my.har", "--with", "my.har", "--no-rank", "-o", "table.md"],
    "candidates": ["candidates"],
    "doctor": ["doctor"],
}
STUDYING = {f"study {name}": ["study", name] for name in STUDIES}
ROWS = '[[tool.packhorse.gate.rows]]\nname = "encode"\npipeline = "orjson | gzip:6 | raw"\n'
#: Run first in the child: hides modules and the metadata of their distributions, then runs every command.
HIDING = """
import contextlib, io, json, sys, traceback
from importlib import metadata
modules, dists, commands = json.loads(sys.argv[1])

class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if any(name == hidden or name.startswith(hidden + ".") for hidden in modules):
            return None
        return self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
version = metadata.version
def shown(name):
    if name.lower() in dists:
        raise metadata.PackageNotFoundError(name)
    return version(name)
metadata.version = shown

def stop(**_):
    from packhorse.errors import InputError
    raise InputError("the study would begin here")

import importlib
imported = importlib.import_module
def stopping(name, package=None):
    module = imported(name, package)
    if name.startswith("benches.studies.") and hasattr(module, "study"):
        module.study = stop
    return module
importlib.import_module = stopping

from packhorse.__main__ import main
results = {}
for name, arguments in commands.items():
    sys.argv = ["packhorse", *arguments]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main()
        except BaseException:
            status = -1
            traceback.print_exc()
    results[name] = status, out.getvalue(), err.getvalue()
sys.__stdout__.write(json.dumps(results))
"""


def _brought(extra: str | None) -> set[str]:
    """Distributions of the plain install and of an extra, with those of the extras within."""
    found: set[str] = set()
    for requirement in [*PROJECT["dependencies"], *(EXTRAS[extra] if extra else ())]:
        match = _NAME.match(requirement)
        assert match is not None
        if match[0] == "packhorse":
            for inner in requirement.partition("[")[2].partition("]")[0].split(","):
                found |= _brought(inner)
        else:
            found.add(match[0].lower())
    return found


@cache
def _modules() -> dict[str, list[str]]:
    """Distribution → its modules, of those that extras bring."""
    ours = {dist for extra in EXTRAS.keys() - NOT_OURS for dist in _brought(extra)}
    found: dict[str, list[str]] = {}
    for module, dists in metadata.packages_distributions().items():
        for dist in dists:
            if dist.lower() in ours and module != "backports":
                found.setdefault(dist.lower(), []).append(module)
    found["backports.zstd"] = ["backports.zstd"]
    return found


def _run(extras: tuple[str, ...], folder: Path) -> dict[str, tuple[int, str, str]]:
    kept = {dist for extra in extras or (None,) for dist in _brought(extra)}
    hidden = {dist: modules for dist, modules in _modules().items() if dist not in kept}
    (folder / "race").mkdir()
    (folder / "race" / "record.json").symlink_to(ROOT / "reports" / "race-default" / "record.json")
    (folder / "my.har").write_text('{"log": {"version": "1.2", "entries": [{"n": 1}]}}', encoding="utf-8")
    (folder / "pyproject.toml").write_text(ROWS, encoding="utf-8")
    commands = COMMANDS | (STUDYING if extras in {("cli",), ("race",), ("bench",)} else {})
    told = json.dumps([[m for modules in hidden.values() for m in modules], [*hidden], commands])
    command = [sys.executable, "-c", HIDING, told]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout)
    return {name: tuple(result) for name, result in results.items()}


@pytest.mark.parametrize("extra", [None, *(extra for extra in EXTRAS if extra not in {*NOT_OURS, "all"})])
def test_every_command_works_or_says_what_to_install(extra: str | None, tmp_path: Path) -> None:
    if extra is None:
        extras: tuple[str, ...] = ()
    else:
        extras = (extra,) if "click" in _brought(extra) else ("cli", extra)
    results = _run(extras, tmp_path)
    assert results["version"][0] == 0
    assert results["version"][1].startswith("packhorse, version ")
    for name, (status, out, err) in results.items():
        assert "Traceback" not in err, f"{name}: {err}"
        assert "defect" not in err, f"{name}: {err}"
        if status == 2:
            assert err.count("packhorse: ") == 1, f"{name}: {err}"
            assert err.strip().splitlines()[-1].startswith("packhorse: "), f"{name}: {err}"
        for named in re.findall(r"pip install '?packhorse(\S*)", out + err):
            wanted = re.fullmatch(r"\[([a-z0-9]+)\]'.?", named)
            assert wanted is not None, f"{name}: {named}"
            assert wanted[1] not in extras, f"{name} asks for what is there: {err or out}"
    if not extras:
        for name in COMMANDS.keys() - {"version"}:
            assert "pip install 'packhorse[cli]'" in results[name][2], name
    elif extra == "cli":
        for name in ("race", "gate", "judge", "publish", "report"):
            assert "pip install 'packhorse[race]'" in results[name][2], results[name]
        assert "pip install 'packhorse[encode]'" in results["candidates"][1]


def test_candidates_says_an_extra_with_its_brackets(tmp_path: Path) -> None:
    (tmp_path / "cli").mkdir()
    out = _run(("cli",), tmp_path / "cli")["candidates"][1]
    assert "pip install 'packhorse[encode]'" in " ".join(out.split())
