"""A scanner on Hyperscan: every pattern in one pass, 1 to 2 GB/s (extra ``redact``). Imports ``hyperscan``."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import hyperscan

from packhorse.redact.scan_base import Scan
from packhorse.redact.signals import CARD, NAME, USERINFO, Signal

#: How far before and behind the end of a hint a match may begin and end.
_AROUND_BYTES = {CARD: (24, 40), USERINFO: (600, 0)}
_NOTHING: frozenset[str] = frozenset()


def make_scan(signals: tuple[Signal, ...]) -> Scan:
    """A function from a text to the names of the signals in it. Thread-safe: each thread has its own scratch space.

    Raises:
        hyperscan.error: A pattern is not readable by Hyperscan.
    """
    names = [signal.name for signal in signals]
    confirms = [_around(signal) if signal.hint else signal.confirm for signal in signals]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[signal.hint or signal.pattern for signal in signals],
        ids=list(range(len(signals))),
        elements=len(signals),
        flags=[_flags(signal) for signal in signals],
    )
    local = threading.local()
    run = database.scan

    def matched(number: int, _start: int, end: int, _flags: int, found: Any) -> None:
        confirm, name = confirms[number], names[number]
        if name in found.names and not (name == NAME and found.all_spots):
            return
        if confirm is None or confirm(found.text, end):
            found.names.add(name)
            if name == NAME:
                found.spots.append(end)

    def scan(text: bytes, spots: list[int] | None = None) -> frozenset[str]:
        try:
            scratch = local.scratch
        except AttributeError:
            scratch = local.scratch = hyperscan.Scratch(database)
        found = _Found(text, spots)
        run(text, matched, 0, found, scratch)
        return frozenset(found.names) if found.names else _NOTHING

    return scan


def _around(signal: Signal) -> Callable[[bytes, int], bool]:
    """Whether there is a match around the place where the signal's hint ends."""
    pattern, confirm = re.compile(signal.pattern, re.IGNORECASE if signal.caseless else 0), signal.confirm

    before, after = _AROUND_BYTES[signal.name]

    def found(text: bytes, end: int) -> bool:
        matches = pattern.finditer(text, max(0, end - before), end + after)
        return any(confirm is None or confirm(text, match.end()) for match in matches)

    return found


class _Found:
    __slots__ = ("all_spots", "names", "spots", "text")

    def __init__(self, text: bytes, spots: list[int] | None) -> None:
        self.text = text
        self.all_spots = spots is not None
        self.spots = [] if spots is None else spots
        self.names: set[str] = set()


def _flags(signal: Signal) -> int:
    flags: int = hyperscan.HS_FLAG_CASELESS if signal.caseless else 0
    # What is looked at more closely must be reported wherever it stands; anything else once.
    return flags if signal.confirm is not None or signal.hint else flags | hyperscan.HS_FLAG_SINGLEMATCH
