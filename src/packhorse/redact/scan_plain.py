"""A scanner with the standard library alone: each pattern by the literals it cannot do without."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from packhorse.redact.patterns import LONGEST_MATCH, Kind, Pattern
from packhorse.units import KIB

PIECE_BYTES = 256 * KIB
Hit = tuple[int, int]
#: Digits to 0 and what may stand between groups to -, so that each way of writing a card holds one of the literals.
_SHAPE = bytes(48 if 48 <= byte < 58 else 45 if byte in b" +-" else 32 for byte in range(256))
_SHAPES = (b"0" * 13, b"0000-0000-0000", b"0000-000000-0000")
_ESCAPED_SEPARATOR = re.compile(rb"%20(?<=[0-9]{4}%20)|\\u0020(?<=[0-9]{4}\\u0020)")
_ESCAPED_BEFORE = re.compile(rb"%(?:20|22|3A|3D)(?=[2-6][0-9]{12})")
_ZEROS = re.compile(b"0+")
_SIGNS = (b"_", b"-", b".")
#: Signs behind a name that only a name's own decider looks at; behind another one more than that is looked at.
_PLAIN_SIGNS = b"\"'`=:>"


_Users = list[tuple[int, re.Pattern[bytes], Pattern]]


class Scanner:
    """Finds patterns. Thread-safe."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._card = next((number for number, one in enumerate(patterns) if one.kind is Kind.CARD), None)
        self._gates = {one.gate: re.compile(one.gate) for one in patterns if one.gate}
        needles: dict[bool, dict[bytes, _Users]] = {True: {}, False: {}}
        for number, one in enumerate(patterns):
            for needle in _fewest(one.needles):
                needles[one.caseless].setdefault(needle, []).append((number, re.compile(one.pattern), one))
        #: Of patterns that match both cases, and of the others: how to find their needles, and who needs them.
        self._passes = [
            (caseless, finder, users) for caseless, some in needles.items() for finder, users in _passes(some)
        ]

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
        lower, gates = piece.lower(), self._gates
        for caseless, finder, users in self._passes:
            text = lower if caseless else piece
            for hit in finder.finditer(text):
                at = hit.start()
                for number, pattern, one in users:
                    if one.gate:
                        named = gates[one.gate].match(text, hit.end())
                        if named is not None and (
                            text[named.end() - 1] in _PLAIN_SIGNS
                            or any(
                                m.end() == named.end()
                                for m in pattern.finditer(text, max(0, at - one.before), named.end())
                            )
                        ):
                            yield named.end(), number
                        continue
                    for match in pattern.finditer(text, max(0, at - one.before), at + one.after):
                        yield match.end(), number
        if self._card is not None:
            for end in _card_ends(piece):
                yield end, self._card


def _card_ends(piece: bytes) -> Iterator[int]:
    """Behind the first 13 digits of a card, or its first groups."""
    shape = piece.translate(_SHAPE)
    for literal in _SHAPES:
        at = shape.find(literal)
        while at >= 0:
            yield at + len(literal)
            run = _ZEROS.match(shape, at + len(literal))
            at = shape.find(literal, run.end() if run and literal == _SHAPES[0] else at + 1)
    for match in _ESCAPED_SEPARATOR.finditer(piece):
        yield match.end() + 4
    for match in _ESCAPED_BEFORE.finditer(piece):
        yield match.end() + 13


def _fewest(needles: Iterable[bytes]) -> list[bytes]:
    """Needles without those that hold another one."""
    return [one for one in needles if not any(other in one and other != one for other in needles)]


def _passes(needles: dict[bytes, _Users]) -> Iterator[tuple[re.Pattern[bytes], _Users]]:
    """What finds each needle. Those that end in the same rare sign are found by that: one pass for all of them."""
    by_sign: dict[bytes, list[bytes]] = {}
    for needle, users in sorted(needles.items()):
        if needle[-1:] in _SIGNS and len(needle) > 1:
            by_sign.setdefault(needle[-1:], []).append(needle)
        else:
            yield re.compile(re.escape(needle)), users
    for sign, group in by_sign.items():
        behind = b"|".join(b"(?<=" + re.escape(needle) + b")" for needle in group)
        longest = max(map(len, group))
        users = [
            (number, pattern, replace(one, before=one.before + longest))
            for number, (pattern, one) in {n: (p, o) for needle in group for n, p, o in needles[needle]}.items()
        ]
        yield re.compile(re.escape(sign) + b"(?:" + behind + b")"), users
