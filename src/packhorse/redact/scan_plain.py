"""A scanner with the standard library alone: each pattern by the literals it cannot do without."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from packhorse.redact.patterns import LONGEST_MATCH, NUMBER_BITS, Kind, Pattern
from packhorse.units import KIB

PIECE_BYTES = 256 * KIB
#: Digits to 0 and what may stand between groups to -, so that each way of writing a card holds one of the literals.
_SHAPE = bytes(48 if 48 <= byte < 58 else 45 if byte in b" +-" else 32 for byte in range(256))
_SHAPES = (b"0" * 13, b"0000-0000-0000", b"0000-000000-0000")
_ESCAPED_SEPARATORS = (re.compile(rb"%20(?<=[0-9]{4}%20)"), re.compile(rb"\\u0020(?<=[0-9]{4}\\u0020)"))
_ESCAPED_BEFORE = re.compile(rb"%(?:20|22|3A|3D)(?=[2-6][0-9]{12})")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
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

    def hits(self, data: bytes, start: int, stop: int) -> Iterator[list[int]]:
        """As ``Scan.hits``."""
        told = start
        for at in range(start, max(stop, start + 1), PIECE_BYTES - LONGEST_MATCH):
            piece = data[at : min(stop, at + PIECE_BYTES)]
            found = {at + end << NUMBER_BITS | number for end, number in self._hits(piece) if at + end > told}
            told = at + len(piece)
            yield sorted(found)
            if told >= stop:
                return

    def only_base64(self, text: memoryview) -> bool:
        """Whether a text holds nothing but the characters of base64."""
        return not any(
            bytes(text[at : at + PIECE_BYTES]).translate(None, _BASE64) for at in range(0, len(text), PIECE_BYTES)
        )

    def _hits(self, piece: bytes) -> Iterator[tuple[int, int]]:
        lower = piece.lower()
        for caseless, finder, users in self._passes:
            text = lower if caseless else piece
            for hit in finder.finditer(text):
                for number, pattern, one in users:
                    for end in self._ends(text, hit, pattern, one):
                        yield end, number
        if self._card is not None:
            for end in _card_ends(piece):
                yield end, self._card

    def _ends(self, text: bytes, hit: re.Match[bytes], pattern: re.Pattern[bytes], one: Pattern) -> Iterable[int]:
        """Where matches of a pattern end, one of whose needles was found."""
        at = hit.start()
        if one.gate:
            named = self._gates[one.gate].match(text, hit.end())
            if named is None:
                return ()
            stop = named.end()
            if text[stop - 1] not in _PLAIN_SIGNS:
                return (stop,) if stop in _ends_of(pattern, text, max(0, at - one.before), stop) else ()
            return (stop,)
        if not one.before:
            match = pattern.match(text, at)
            return () if match is None else (match.end(),)
        return [match.end() for match in pattern.finditer(text, max(0, at - one.before), at + one.after)]


def _ends_of(pattern: re.Pattern[bytes], text: bytes, start: int, stop: int) -> Iterator[int]:
    """Where matches end, those that overlap included."""
    match = pattern.search(text, start, stop)
    while match is not None:
        yield match.end()
        match = pattern.search(text, match.start() + 1, stop)


def _card_ends(piece: bytes) -> Iterator[int]:
    """Behind the first 13 digits of a card, or its first groups."""
    shape = piece.translate(_SHAPE)
    for literal in _SHAPES:
        at = shape.find(literal)
        while at >= 0:
            yield at + len(literal)
            run = _ZEROS.match(shape, at + len(literal))
            at = shape.find(literal, run.end() if run and literal == _SHAPES[0] else at + 1)
    for separator in _ESCAPED_SEPARATORS:
        for match in separator.finditer(piece):
            yield match.end() + 4
    for match in _ESCAPED_BEFORE.finditer(piece):
        yield match.end() + 13


def _fewest(needles: Iterable[bytes]) -> list[bytes]:
    """Needles without those that hold another one."""
    return [one for one in needles if not any(other in one and other != one for other in needles)]


def _passes(needles: dict[bytes, _Users]) -> Iterator[tuple[re.Pattern[bytes], _Users]]:
    """What finds each needle. Those that end in the same rare sign, or begin with the same capital, take one pass."""
    by_sign: dict[bytes, list[bytes]] = {}
    by_capital: dict[bytes, list[bytes]] = {}
    for needle, users in sorted(needles.items()):
        if needle[-1:] in _SIGNS and len(needle) > 1:
            by_sign.setdefault(needle[-1:], []).append(needle)
        elif needle[:1].isupper():
            by_capital.setdefault(needle[:1], []).append(needle)
        else:
            yield re.compile(re.escape(needle)), users
    for capital, group in by_capital.items():
        rest = b"|".join(re.escape(needle[1:]) for needle in group)
        yield re.compile(capital + b"(?:" + rest + b")"), [user for needle in group for user in needles[needle]]
    for sign, group in by_sign.items():
        behind = _behind(group, 1)
        longest = max(map(len, group))
        users = [
            (number, pattern, replace(one, before=one.before + longest))
            for number, (pattern, one) in {n: (p, o) for needle in group for n, p, o in needles[needle]}.items()
        ]
        yield re.compile(re.escape(sign) + behind), users


def _behind(needles: list[bytes], letters: int) -> bytes:
    """One of the needles, seen from behind its end. They are told apart letter by letter, so that few are tried."""
    by_end: dict[bytes, list[bytes]] = {}
    for needle in needles:
        by_end.setdefault(needle[-letters - 1 :], []).append(needle)
    if letters == 1:
        last = b"".join(sorted({re.escape(end[:1]) for end in by_end}))
        guard = b"(?<=[" + last + b"]" + re.escape(needles[0][-1:]) + b")"
    else:
        guard = b""
    branches = []
    for end, group in sorted(by_end.items()):
        whole = len(group) == 1 or min(map(len, group)) <= letters + 1
        inner = b"|".join(b"(?<=" + re.escape(one) + b")" for one in group)
        branches.append(inner if whole else b"(?<=" + re.escape(end) + b")" + _behind(group, letters + 1))
    return guard + b"(?:" + b"|".join(branches) + b")"
