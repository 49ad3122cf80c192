"""The captures of a race as files in one folder, and as objects in a block process."""

from __future__ import annotations

import json
import os
import random
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from packhorse.bench.race.spec import KEY_PREFIX
from packhorse.errors import CaptureError, InputError
from packhorse.model import EntryStream, materialized

#: The synthetic set: name, kind, size in bytes.
SYNTHETIC = (
    ("synthetic-browser.har", "browser", 1_000_000),
    ("synthetic-api.har", "api", 400_000),
    ("synthetic-headers.har", "headers", 100_000),
)
#: What the held-out captures' seed differs by from the race's.
HELD_OUT_SEED_OFFSET = 7919


class CaptureFile(msgspec.Struct, frozen=True):
    """One capture as written for the child processes.

    Attributes:
        name: File name, as the record shows it.
        sha256: Hex digest of the compact JSON that is raced on.
        plain_bytes: That JSON's size.
        entries: Entries of its long list.
        shape: Figures that describe it (what ``captures.shape`` measures).
        origin: ``given`` or ``synthetic:kind=…,seed=…``.
        notes: What its reader found odd in it.
    """

    name: str
    sha256: str
    plain_bytes: int
    entries: int | None
    shape: dict[str, Any]
    origin: str
    notes: list[str] = msgspec.field(default_factory=list)


def new_key_prefix() -> str:
    """What all keys of one race in a user's bucket begin with, up to a slash: the race's start (UTC), and chance."""
    return f"{KEY_PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}/"


def write(folder: Path, name: str, capture: Any, origin: str, notes: tuple[str, ...] = ()) -> CaptureFile:
    """Write one capture as compact JSON.

    Raises:
        CaptureError: It is not JSON-able.
    """
    from packhorse.bench.shape.capture import shape

    if isinstance(capture, EntryStream):
        capture = EntryStream(capture.outline, capture.path, list(capture.entries))
    whole = materialized(capture)
    try:
        data = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        # Lone surrogates cannot be written as UTF-8; escaped they can.
        data = json.dumps(whole, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise CaptureError(f"cannot be raced on: {error}", source=name) from error
    (folder / name).write_bytes(data)
    figures = asdict(shape(capture))
    return CaptureFile(name, sha256(data).hexdigest(), len(data), figures["entries"], figures, origin, list(notes))


def for_screening(folder: Path, files: Sequence[CaptureFile], most_bytes: int) -> list[str]:
    """Names of the captures that stages are screened on: the smallest ones, up to a bound of compact JSON.

    Where even the smallest is beyond it, a capture of its first entries is written and named: screening 15 MB with
    every candidate would take longer than the race.
    """
    picked, left = [], most_bytes
    for file in sorted(files, key=lambda file: (file.plain_bytes, file.name)):
        left -= file.plain_bytes
        if left < 0:
            break
        picked.append(file.name)
    if picked:
        return picked
    smallest = min(files, key=lambda file: (file.plain_bytes, file.name))
    capture = json.loads((folder / smallest.name).read_bytes())
    log = capture.get("log") if isinstance(capture, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(log, dict) or not isinstance(entries, list) or len(entries) < 2:
        return [smallest.name]
    log["entries"] = entries[: max(1, len(entries) * most_bytes // smallest.plain_bytes)]
    (folder / "screening.json").write_text(json.dumps(capture, separators=(",", ":")), encoding="utf-8")
    return ["screening.json"]


def given(folder: Path, paths: Sequence[Path]) -> list[CaptureFile]:
    """Read the user's captures and write them for the blocks.

    Raises:
        CaptureError: One cannot be read; the message names it.
        InputError: Two have the same file name, by which records tell captures apart.
    """
    from packhorse.captures.read import open_capture

    first: dict[str, Path] = {}
    for path in paths:
        if path.name in first:
            both = [first[path.name].absolute(), path.absolute()]
            shared = os.path.commonpath([one.parent for one in both])  # whole paths are kept out of messages
            names = " and ".join(os.path.relpath(one, shared) for one in both)
            raise InputError(f"two captures are called {path.name!r} ({names}); a record tells them apart by file name")
        first[path.name] = path
    files = []
    for path in paths:
        with open_capture(path) as opened:
            whole = EntryStream(opened.stream.outline, opened.stream.path, list(opened.stream.entries))
            files.append(write(folder, path.name, whole, "given", opened.notes))
    return files


def synthetic(folder: Path, seed: int, *, prefix: str = "") -> list[CaptureFile]:
    """Generate the default set."""
    from packhorse.bench.synth import sized

    return [
        write(folder, prefix + name, sized(size, seed, kind), f"synthetic:kind={kind},seed={seed}")
        for name, kind, size in SYNTHETIC
    ]


def split(files: list[CaptureFile], seed: int) -> tuple[list[CaptureFile], list[CaptureFile], str]:
    """Divide given captures into those raced on and those held out.

    Returns:
        Raced on, held out, and a sentence that says what the published figure was measured on. With a single capture
        both are the same. About a third is held out, drawn by ``seed``.
    """
    if len(files) < 2:
        return files, files, "the same capture in fresh processes: only one was given, so none could be held out"
    shuffled = sorted(files, key=lambda file: file.name)
    random.Random(f"{seed}:held-out").shuffle(shuffled)
    count = max(1, len(files) // 3)
    held_out = {file.name for file in shuffled[:count]}
    in_order = sorted(files, key=lambda file: file.name)
    raced = [file for file in in_order if file.name not in held_out]
    kept = [file for file in in_order if file.name in held_out]
    return raced, kept, f"{count} of the {len(files)} given captures, held out of the race"
