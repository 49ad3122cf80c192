"""The public surface: there, typed, cheap to import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import packhorse
from packhorse import errors
from packhorse.stages import registry


def test_every_public_name_loads() -> None:
    for name in packhorse.__all__:
        assert getattr(packhorse, name) is not None
    assert set(packhorse.__all__) <= set(dir(packhorse))
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        _ = getattr(packhorse, "Nope")  # noqa: B009  # type checkers know that it is not there


def test_every_name_is_known_to_type_checkers_and_at_run_time() -> None:
    """``if TYPE_CHECKING`` and the table of homes are two lists of the same names."""
    tree = ast.parse(Path(packhorse.__file__).read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING")
    typed = {name.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert typed == packhorse._HOMES


def test_what_the_package_raises_is_exported() -> None:
    """All but what only ``packhorse.bench`` raises."""
    ours = {n for n, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert ours - {"RecordError"} <= set(packhorse.__all__)


def test_a_profile_shows_itself_in_one_line() -> None:
    shown = repr(packhorse.load_profile())
    assert shown.startswith("Profile('default', 'orjson-stream | ")
    assert len(shown) < 120


def test_the_typing_test_uses_every_public_name() -> None:
    text = (Path(__file__).parent / "typing" / "api.py").read_text(encoding="utf-8")
    assert not [name for name in packhorse.__all__ if not re.search(rf"\b{name}\b", text)]


def test_windows_is_refused_by_name() -> None:
    code = "import sys; sys.platform = 'win32'; import packhorse"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: packhorse does not run on Windows")


def test_importing_brings_no_candidate() -> None:
    code = "import sys, packhorse; print(*{m.partition('.')[0] for m in sys.modules})"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    foreign = {"orjson", "zstandard", "obstore", "boto3", "msgspec", "click", "rich", "numpy", "scipy", "ijson"}
    assert not loaded & foreign


def test_making_an_uploader_brings_only_its_own_candidates() -> None:
    code = (
        "import sys, packhorse; packhorse.Uploader('s3://bucket/prefix');"
        "print(*{m.partition('.')[0] for m in sys.modules})"
    )
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"boto3", "botocore", "aiobotocore", "msgspec", "ujson", "click", "rich", "numpy", "scipy"}


def test_the_default_profile_needs_only_the_runtime_dependencies() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    runtime = {requirement.partition(">")[0] for requirement in project["dependencies"]}
    needed = {dist for choice in packhorse.load_profile().pipeline.choices for dist in choice.candidate.dists}
    # boto3 for ~/.aws, roles, multipart and forked children; the scanners of redaction, of which one has all wheels.
    assert needed | {"boto3", "pyperscan", "ahocorasick-rs"} == runtime


def test_every_candidate_has_an_extra_that_brings_it() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for row in registry.candidates():
        brought = {r.partition(">")[0] for r in [*extras.get(row.extra, []), *project["dependencies"]]}
        assert set(row.dists) <= brought, row.name
