"""A scanner with the standard library alone: each pattern by the literals it cannot do without."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from packhorse.redact.patterns import LONGEST_MATCH, Pattern
from packhorse.units import KIB

PIECE_BYTES = 256 * KIB
Hit = tuple[int, int]


class Scanner:
    """Finds patterns. Thread-safe."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._rest: list[tuple[int, re.Pattern[bytes]]] = []
        self._needles: dict[bool, dict[bytes, list[tuple[int, re.Pattern[bytes], Pattern]]]] = {True: {}, False: {}}
        for number, one in enumerate(patterns):
            compiled = re.compile(one.pattern)
            if not one.needles:
                self._rest.append((number, compiled))
            for needle in one.needles:
                self._needles[one.caseless].setdefault(needle, []).append((number, compiled, one))

    def hits(self, data: bytes) -> Iterator[list[Hit]]:
        """Ends of matches and the numbers of their patterns, in order, piece by piece."""
        told = 0
        for start in range(0, max(len(data), 1), PIECE_BYTES - LONGEST_MATCH):
            piece = data[start : start + PIECE_BYTES] if len(data) > PIECE_BYTES else data
            found = {(start + end, number) for end, number in self._hits(piece) if start + end > told}
            told = start + len(piece)
            yield sorted(found)
            if told >= len(data):
                return

    def _hits(self, piece: bytes) -> Iterator[Hit]:
        lower = piece.lower()
        for caseless, needles in self._needles.items():
            text = lower if caseless else piece
            for needle, users in needles.items():
                at = text.find(needle)
                while at >= 0:
                    for number, pattern, one in users:
                        match = pattern.search(text, max(0, at - one.before), at + one.after)
                        if match is not None:
                            yield match.end(), number
                    at = text.find(needle, at + 1)
        for number, pattern in self._rest:
            for match in pattern.finditer(piece):
                yield match.end(), number
