"""A scanner on Hyperscan: every pattern in one pass, at about 1 to 2 GB/s. Imports ``pyperscan``.

Of the bindings, ``pyperscan`` holds the interpreter's lock during a scan, as ``json`` and ``orjson`` do. One that lets
go of it (``hyperscan``) has to take it again for each match, and waits up to 5 ms every time while another thread runs
Python: docs/decisions/ has the figures. So a text is scanned in pieces that take about a millisecond.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pyperscan

from packhorse.redact.patterns import LONGEST_MATCH, Pattern
from packhorse.units import KIB

PIECE_BYTES = 512 * KIB
Hit = tuple[int, int]


class Scanner:
    """Finds patterns. Thread-safe: each thread has its own scratch space."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._database = pyperscan.BlockDatabase(
            *(
                pyperscan.Pattern(one.pattern, *([pyperscan.Flag.CASELESS] if one.caseless else []), tag=number)
                for number, one in enumerate(patterns)
            )
        )
        self._local = threading.local()

    def hits(self, data: bytes) -> Iterator[list[Hit]]:
        """Ends of matches and the numbers of their patterns, in order, piece by piece."""
        try:
            scan, found = self._local.ready
        except AttributeError:
            scan, found = self._local.ready = self._scanner()
        if len(data) <= PIECE_BYTES:
            yield _taken(scan, found, data)
            return
        view = memoryview(data)
        told = 0
        for start in range(0, len(data), PIECE_BYTES - LONGEST_MATCH):
            hits = _taken(scan, found, view[start : start + PIECE_BYTES])
            yield [(start + end, number) for end, number in hits if start + end > told]
            told = start + PIECE_BYTES

    def _scanner(self) -> tuple[Any, list[Hit]]:
        found: list[Hit] = []
        append, go_on = found.append, pyperscan.Scan.Continue

        def matched(_context: None, number: int, _start: int, end: int) -> Any:
            append((end, number))
            return go_on

        return self._database.build(None, matched), found


def _taken(scan: Any, found: list[Hit], data: bytes | memoryview) -> list[Hit]:
    found.clear()
    scan.scan(data)
    hits = sorted(found)
    found.clear()
    return hits
