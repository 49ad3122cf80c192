"""Large captures as JSON text in runs of whole elements of their one long list, each passed through a function.

That function redacts, and needs whole JSON values for it. So the list is written in runs, each a JSON list of its own
that is passed through and then loses its brackets. What stands around the list is small: a document with an empty list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from packhorse.errors import CaptureError
from packhorse.model import HAR_ENTRIES, EntryStream
from packhorse.position import within
from packhorse.stages.encode.plain import read_entries
from packhorse.stages.encode.texts import around
from packhorse.stages.encode.weight import HEAVY_WEIGHT, run_weights, weight
from packhorse.units import KIB

#: About what one run has, and how many elements at the most.
RUN_BYTES, RUN_ELEMENTS = 256 * KIB, 4096
#: Elements of a list that are weighed together. Those of an iterator come one by one: they may be large.
LOOK_ELEMENTS = 64
_FIRST = re.compile(r"\$\[(\d+)\]")


def as_entries(capture: Any) -> EntryStream | None:
    """An object as the list that makes it large and the rest; None when it is large in another way."""
    if isinstance(capture, list):
        return EntryStream([], (), capture)
    found: tuple[tuple[str, ...], list[Any]] | None = None
    for path, value in _lists(capture):
        if found is None or len(value) > len(found[1]) or path == HAR_ENTRIES:
            found = path, value
        if path == HAR_ENTRIES:
            break
    if found is None:
        return None
    outline = _emptied(capture, found[0])
    return EntryStream(outline, *found) if weight(outline) <= HEAVY_WEIGHT else None


def _lists(capture: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    if type(capture) is dict and len(path) < len(HAR_ENTRIES):
        for key, value in capture.items():
            if type(key) is str:
                if type(value) is list:
                    yield (*path, key), value
                else:
                    yield from _lists(value, (*path, key))


def _emptied(outline: Any, path: tuple[str, ...]) -> Any:
    return {**outline, path[0]: _emptied(outline[path[0]], path[1:])} if path else []


def scrubbed_runs(
    write: Callable[[Any], bytes], scrub: Callable[[bytes], bytes], capture: EntryStream
) -> Iterator[bytes]:
    """Yield the capture as JSON text.

    Args:
        write: The encoder, for one value.
        scrub: Takes and gives JSON text: the outline, or a list of entries.
        capture: Its entries are read as they are needed.

    Raises:
        CaptureError: Something in it has no JSON form, or its entries cannot be read.
        Exception: Whatever ``scrub`` raises.
    """
    path = capture.path
    try:
        outline = json.loads(scrub(write(_emptied(capture.outline, path))))
    except (KeyError, TypeError):
        raise CaptureError(f"the outline has no list at {'.'.join(path)!r}") from None
    head, tail = around(outline, path)
    yield head
    lead = b""
    start = 0
    for run in _runs(read_entries(capture.entries, path), LOOK_ELEMENTS if isinstance(capture.entries, list) else 1):
        try:
            text = scrub(write(run))
        except CaptureError as error:
            raise _moved(error, path, start) from None
        yield lead + text[1:-1]
        lead = b","
        start += len(run)
    yield tail


def _runs(entries: Iterator[Any], look: int) -> Iterator[list[Any]]:
    run: list[Any] = []
    weighed = 0
    while some := list(islice(entries, look)):
        for entry, weighs in zip(some, run_weights(some), strict=True):
            if run and (weighed + weighs > RUN_BYTES or len(run) == RUN_ELEMENTS):
                yield run
                run, weighed = [], 0
            run.append(entry)
            weighed += weighs
    if run:
        yield run


def _moved(error: CaptureError, path: tuple[str, ...], start: int) -> CaptureError:
    """The error with the place in the capture instead of the one in the run."""
    position = error.position
    found = _FIRST.match(position or "")
    if position is not None and found is not None:
        position = within((*path, start + int(found[1])), "$" + position[found.end() :])
    return CaptureError(error.reason, source=error.source, position=position)
