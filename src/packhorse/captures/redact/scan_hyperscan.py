"""A scanner on Hyperscan: every pattern in one pass, 1 to 2 GB/s (extra ``redact``). Imports ``hyperscan``."""

from __future__ import annotations

import threading
from collections.abc import Callable

import hyperscan

from packhorse.captures.redact.signals import Signal

_NOTHING: frozenset[str] = frozenset()


def make_scan(signals: tuple[Signal, ...]) -> Callable[[bytes], frozenset[str]]:
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

    def matched(number: int, _start: int, end: int, _flags: int, found: _Found) -> None:
        confirm, name = confirms[number], names[number]
        if confirm is None or (name not in found.names and confirm(found.text, end)):
            found.names.add(name)

    def scan(text: bytes) -> frozenset[str]:
        try:
            scratch = local.scratch
        except AttributeError:
            scratch = local.scratch = hyperscan.Scratch(database)
        found = _Found(text)
        run(text, matched, 0, found, scratch)
        return frozenset(found.names) if found.names else _NOTHING

    return scan


class _Found:
    __slots__ = ("names", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.names: set[str] = set()


def _flags(signal: Signal) -> int:
    flags: int = hyperscan.HS_FLAG_CASELESS if signal.caseless else 0
    # What is looked at more closely must be reported wherever it stands; anything else once.
    return flags if signal.confirm is not None else flags | hyperscan.HS_FLAG_SINGLEMATCH
