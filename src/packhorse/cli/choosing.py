"""Which files a command takes: names, folders, patterns that no shell has expanded, and a pipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from glob import glob
from pathlib import Path

from packhorse.cli.terminal import shown
from packhorse.errors import InputError

PIPE = "-"


def chosen_files(names: Sequence[str], *, recursive: bool, folder: Path) -> dict[Path, str]:
    """The files that ``names`` mean, in their order and each once, with what each is called when it is told of.

    Args:
        names: Files, patterns (``**`` for any depth), folders, and ``-`` for standard input.
        recursive: Folders stand for the files below them, hidden ones left out.
        folder: Where what comes through the pipe is kept meanwhile.

    Raises:
        InputError: A name means no file; nothing has been read from the pipe then.
    """
    found: dict[Path, str] = {}
    piped = folder / "stdin"
    for name in names:
        for path in [piped] if name == PIPE else _meant(name, recursive=recursive):
            found.setdefault(path, PIPE if name == PIPE else str(path))
    if piped in found:
        if sys.stdin is None or sys.stdin.isatty():
            raise InputError("- reads a capture from a pipe, and nothing is piped in; nothing was uploaded")
        with piped.open("wb") as kept:
            shutil.copyfileobj(sys.stdin.buffer, kept)
    return found


def _meant(name: str, *, recursive: bool) -> list[Path]:
    path = Path(name)
    if path.is_file():
        return [path]
    if path.is_dir():
        if not recursive:
            raise InputError(f"{shown(name)}: a folder; -r takes the files in it; nothing was uploaded")
        below = [one for one in sorted(path.rglob("*")) if one.is_file() and not _hidden(one.relative_to(path))]
        if not below:
            raise InputError(f"{shown(name)}: no file is in this folder; nothing was uploaded")
        return below
    matching = [Path(one) for one in sorted(glob(name, recursive=True)) if Path(one).is_file()]
    if not matching:
        wrong = "no file has such a name" if any(sign in name for sign in "*?[") else "no such file"
        raise InputError(f"{shown(name)}: {wrong}; nothing was uploaded")
    return matching


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
