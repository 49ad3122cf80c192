"""Writing a capture as compact JSON: entry by entry, and either whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from packhorse.errors import CaptureError
from packhorse.files import appearing
from packhorse.model import EntryStream


def write_har(capture: EntryStream | Any, path: str | os.PathLike[str]) -> int:
    """Write the capture to ``path`` atomically: a temporary file beside it, then a rename.

    Any capture will do, HAR or not. The list at the stream's path is written last at each level; JSON does not care.
    Held in memory: the outline and one entry. The new file has the mode of the one that it replaces.

    Args:
        capture: An ``EntryStream``, whose entries are consumed, or a JSON-able object.
        path: Where it goes; what is there is replaced.

    Returns:
        Bytes written.

    Raises:
        CaptureError: Something in it is not JSON (it names the entry), or the file cannot be written. Nothing is left
            behind then, and what was at ``path`` is untouched. So it is when the entries themselves raise.
    """
    target = Path(path)
    if not target.name:
        raise CaptureError("is not a file's name", source=str(path))
    try:
        with appearing(target) as file:
            written = sum(file.write(piece) for piece in json_pieces(capture, str(path)))
            file.flush()
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            os.fsync(file.fileno())
    except OSError as error:
        raise CaptureError(f"cannot be written: {error.strerror}", source=str(path)) from None
    return written


def json_text(value: Any, *, source: str = "capture", position: str | None = None) -> bytes:
    """``value`` as compact JSON that ``json.loads`` reads back to an equal value.

    orjson writes it where it can. It refuses lone surrogates, integers beyond 64 bits and more than 254 levels, and it
    writes ``null`` for NaN: there the standard library decides.

    Raises:
        CaptureError: NaN, an infinity, a key that is not text, a cycle, or a type that JSON does not have.
    """
    try:
        text = orjson.dumps(value)
        if b"null" not in text:
            return text
    except TypeError:
        text = b""
        _check_keys(value, source, position)
    try:
        # Where orjson wrote a null, this only has to find out that it stood for None.
        exact = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise CaptureError(f"is not JSON-able: {error}", source=source, position=position) from None
    return text or exact.encode()


def json_pieces(capture: EntryStream | Any, source: str = "capture") -> Iterator[bytes]:
    """Yield the compact JSON of a capture: a piece per entry, the list last at each level of its path.

    Raises:
        CaptureError: As :func:`json_text`; it names the entry.
    """
    if not isinstance(capture, EntryStream):
        yield json_text(capture, source=source)
        return
    level, closing = capture.outline, b""
    for key in capture.path:
        rest = json_text({name: value for name, value in level.items() if name != key}, source=source)
        yield rest[:-1] + (b"," if len(rest) > 2 else b"") + json_text(key) + b":"
        level, closing = level[key], closing + b"}"
    yield b"["
    for index, entry in enumerate(capture.entries):
        text = json_text(entry, source=source, position=f"entry {index}")
        yield b"," + text if index else text
    yield b"]" + closing


def _check_keys(value: Any, source: str, position: str | None) -> None:
    """``json.dumps`` turns numbers used as keys into text; that would be a repair in silence."""
    pending, seen = [value], set()
    while pending:
        item = pending.pop()
        if not isinstance(item, (dict, list, tuple)) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            if not all(isinstance(key, str) for key in item):
                raise CaptureError("has a key that is not text", source=source, position=position)
            pending.extend(item.values())
        else:
            pending.extend(item)
