"""A page followed as a reader types it: every block in turn, in one shell, in a fresh folder.

Installing and what takes minutes (a race, a gate, a study) is noted and not done; published records stand in
for races and studies. Files that a page shows are written when the
reader meets them: their block begins with their name.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.guides import ROOT, Block, blocks

_NAMED = re.compile(r"# (\S+\.(?:py|toml))\n")
_NOTED = 'printf "%s\\n" "$(basename "$0") $*" >> "$WALK_NOTES"\n'
#: Programs that stand before the real ones.
_STAND_INS = {
    "pip": _NOTED,
    "pytest": _NOTED,
    "npm": _NOTED,
    "git": _NOTED,
    "python3": f"""
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p "$3/bin" && ln -sf "$WALK_BIN"/* "$3/bin/"
    echo "export PATH='$PWD/$3/bin:$PATH'" > "$3/bin/activate"
    exit
elif [ "$1 $2" = "-m pip" ]; then
    {_NOTED}
    exit
fi
exec {shlex.quote(sys.executable)} "$@"
""",
    "packhorse": f"""
output=
arguments=("$@")
for at in "${{!arguments[@]}}"; do
    if [ "${{arguments[$at]}}" = -o ]; then output=${{arguments[$((at + 1))]}}; fi
done
case $1 in
    race) {_NOTED} mkdir -p "$output" && cp "$WALK_RACE/record.json" "$output/" ;;
    gate) {_NOTED} if [ -n "$output" ]; then mkdir -p "$output" && echo regressed > "$output/summary.md"; fi
          exit "${{WALK_GATE_STATUS:-0}}" ;;
    study) {_NOTED} if [ -n "$output" ]; then cp "$WALK_STUDIES/study-$2.json" "$output"; fi ;;
    captures) {_NOTED} ;;
    *) exec {shlex.quote(sys.executable)} -m packhorse "$@" ;;
esac
""",
}


@dataclass(frozen=True, slots=True)
class Walk:
    """What a reader saw.

    Attributes:
        status: Exit status of the shell.
        failed: Commands that failed, with their status, in turn: ``1 packhorse doctor``.
        notes: Commands that were noted in place of being run.
        stdout: What was printed.
        stderr: What was told beside it.
    """

    status: int
    failed: list[str]
    notes: list[str]
    stdout: str
    stderr: str


def script(shown: list[Block]) -> str:
    """One shell script of the blocks that a reader types or saves; others (settings of other programs) are left out."""
    parts = ['trap \'printf "%s %s\\n" "$?" "$BASH_COMMAND" >> "$WALK_FAILED"\' ERR']
    for block in shown:
        named = _NAMED.match(block.text)
        if named:
            parts.append(f"cat > {named[1]} <<'END-OF-BLOCK'\n{block.text}END-OF-BLOCK")
        elif block.language == "python":
            parts.append(f"python - <<'END-OF-BLOCK'\n{block.text}END-OF-BLOCK")
        elif block.language in {"sh", "bash"}:
            parts.append(block.text.rstrip("\n"))
    return "\n".join(parts) + "\n"


def walk(
    page: Path | list[Block],
    folder: Path,
    environment: Mapping[str, str],
    *,
    instead: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> Walk:
    """Follow ``page``, or some of its blocks, in ``folder``/reader.

    ``instead`` says what stands here for what stands there, such as ports.
    """
    text = script(blocks(page) if isinstance(page, Path) else page)
    for shown, mine in (instead or {}).items():
        text = text.replace(shown, mine)
    bin_folder, reader = folder / "bin", folder / "reader"
    for made in (bin_folder, reader):
        made.mkdir()
    for name, body in _STAND_INS.items():
        (bin_folder / name).write_text(f"#!/bin/bash\n{body}", encoding="utf-8")
        (bin_folder / name).chmod(stat.S_IRWXU)
    (bin_folder / "python").symlink_to(bin_folder / "python3")
    notes, failed = folder / "notes", folder / "failed"
    settings = {
        **environment,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": os.pathsep.join([str(bin_folder), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), environment.get("PYTHONPATH", "")])),
        "WALK_BIN": str(bin_folder),
        "WALK_FAILED": str(failed),
        "WALK_NOTES": str(notes),
        "WALK_STUDIES": str(ROOT / "reports"),
        "WALK_RACE": str(ROOT / "reports" / "race-default"),
    }
    out, err = folder / "stdout", folder / "stderr"
    with out.open("w") as stdout, err.open("w") as stderr:
        shell = subprocess.Popen(
            ["bash", "-c", text], cwd=reader, env=settings, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            start_new_session=True,
        )  # fmt: skip
        try:
            status = shell.wait(timeout_s)
        finally:
            _end_group(shell.pid)  # its own session: servers that the page started
            shell.wait()
    return Walk(status, _lines(failed), _lines(notes), out.read_text(), err.read_text())


def _end_group(group: int, within_s: float = 10) -> None:
    with suppress(ProcessLookupError):  # nothing is left running
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
