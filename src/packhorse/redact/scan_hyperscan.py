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

from packhorse.redact.native import rare_of
from packhorse.redact.patterns import LONGEST_MATCH, NUMBER_BITS, Pattern
from packhorse.units import KIB

PIECE_BYTES = 512 * KIB


class Scanner:
    """Finds patterns. Thread-safe: each thread has its own scratch space."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._rare, others = rare_of(patterns)
        self._database = pyperscan.BlockDatabase(
            *(
                pyperscan.Pattern(one.pattern, *([pyperscan.Flag.CASELESS] if one.caseless else []), tag=number)
                for number, one in others
            )
        )
        self._other = pyperscan.BlockDatabase(pyperscan.Pattern(rb"[^A-Za-z0-9+/=]", tag=0))
        self._local = threading.local()

    def hits(self, data: bytes, start: int, stop: int) -> Iterator[list[int]]:
        """As ``Scan.hits``."""
        if stop - start <= PIECE_BYTES:
            yield self._piece(data, start, stop)
            return
        told = 0
        for at in range(start, stop, PIECE_BYTES - LONGEST_MATCH):
            yield [hit for hit in self._piece(data, at, min(stop, at + PIECE_BYTES)) if hit >> NUMBER_BITS > told]
            told = at + PIECE_BYTES

    def _piece(self, data: bytes, start: int, stop: int) -> list[int]:
        scan, found = self._mine()[:2]
        found.clear()
        scan.scan(data if stop - start == len(data) else memoryview(data)[start:stop])
        offset = start << NUMBER_BITS
        hits = [hit + offset for hit in found] if offset else found[:]
        if self._rare is not None:
            hits += self._rare.hits(data, start, stop)
        hits.sort()
        return hits

    def only_base64(self, text: memoryview) -> bool:
        """Whether a text holds nothing but the characters of base64."""
        other = self._mine()[2]
        return all(
            other.scan(text[at : at + PIECE_BYTES]) == pyperscan.Scan.Continue
            for at in range(0, len(text), PIECE_BYTES)
        )

    def _mine(self) -> tuple[Any, list[int], Any]:
        try:
            ready: tuple[Any, list[int], Any] = self._local.ready
        except AttributeError:
            ready = self._local.ready = (*self._scanner(), self._other.build(None, lambda *_: pyperscan.Scan.Terminate))
        return ready

    def _scanner(self) -> tuple[Any, list[int]]:
        found: list[int] = []
        append, go_on = found.append, pyperscan.Scan.Continue

        def matched(_context: None, number: int, _start: int, end: int) -> Any:
            append(end << NUMBER_BITS | number)
            return go_on

        return self._database.build(None, matched), found
