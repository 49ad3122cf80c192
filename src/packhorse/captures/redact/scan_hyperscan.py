"""A scanner on Hyperscan: every pattern in one pass, 1 to 2 GB/s (extra ``redact``). Imports ``hyperscan``."""

from __future__ import annotations

import threading
from typing import Any

import hyperscan

from packhorse.captures.redact.scan_base import Scan
from packhorse.captures.redact.signals import NAME, Signal

_NOTHING: frozenset[str] = frozenset()


def make_scan(signals: tuple[Signal, ...]) -> Scan:
    """A function from a text to the names of the signals in it. Thread-safe: each thread has its own scratch space.

    Raises:
        hyperscan.error: A pattern is not readable by Hyperscan.
    """
    names = [signal.name for signal in signals]
    confirms = [signal.confirm for signal in signals]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[signal.pattern for signal in signals],
        ids=list(range(len(signals))),
        elements=len(signals),
        flags=[_flags(signal) for signal in signals],
    )
    local = threading.local()
    run = database.scan

    def matched(number: int, _start: int, end: int, _flags: int, found: Any) -> None:
        confirm, name = confirms[number], names[number]
        if confirm is None or ((found.all_spots or name not in found.names) and confirm(found.text, end)):
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
    return flags if signal.confirm is not None else flags | hyperscan.HS_FLAG_SINGLEMATCH
