"""A scanner for where Hyperscan has no wheel: each pattern by the literals it cannot do without.

Imports ``ahocorasick_rs``, which finds all literals in one pass over the text in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ahocorasick_rs import BytesAhoCorasick

from packhorse.redact.native import rare_of
from packhorse.redact.patterns import LONGEST_MATCH, NUMBER_BITS, Kind, Pattern
from packhorse.units import KIB

PIECE_BYTES = 256 * KIB
#: Digits to 0 and what may stand between groups to -, so that each way of writing a card holds one of the literals.
_SHAPE = bytes(48 if 48 <= byte < 58 else 45 if byte in b" +-" else 32 for byte in range(256))
_SHAPES = (b"0" * 13, b"0000-0000-0000", b"0000-000000-0000")
_CARD_DIGITS = b"23456"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_ZEROS = re.compile(b"0+")
#: Signs behind a name that only a name's own decider looks at; behind another one more than that is looked at.
_PLAIN_SIGNS = b"\"'`=:>"


@dataclass(frozen=True, slots=True)
class _User:
    """A pattern that needs a literal."""

    number: int
    one: Pattern
    pattern: re.Pattern[bytes]
    gate: re.Pattern[bytes] | None


class Scanner:
    """Finds patterns. Thread-safe."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._rare, others = rare_of(patterns)
        self._card = next((number for number, one in others if one.kind is Kind.CARD), None)
        users: dict[bytes, list[_User]] = {}
        for number, one in others:
            user = _User(number, one, re.compile(one.pattern), re.compile(one.gate) if one.gate else None)
            for needle in _fewest(one.needles):
                users.setdefault(needle.lower(), []).append(user)
        self._users = list(users.values())
        self._finder = BytesAhoCorasick(list(users))

    def hits(self, data: bytes, start: int, stop: int) -> Iterator[list[int]]:
        """As ``Scan.hits``."""
        told = start
        for at in range(start, max(stop, start + 1), PIECE_BYTES - LONGEST_MATCH):
            piece = data[at : min(stop, at + PIECE_BYTES)]
            found = {at + end << NUMBER_BITS | number for end, number in self._hits(piece) if at + end > told}
            if self._rare is not None:
                found.update(hit for hit in self._rare.hits(data, at, at + len(piece)) if hit >> NUMBER_BITS > told)
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
        for index, start, stop in self._finder.find_matches_as_indexes(lower, overlapping=True):
            for user in self._users[index]:
                for end in _ends(lower if user.one.caseless else piece, start, stop, user):
                    yield end, user.number
        if self._card is not None:
            for end in _card_ends(piece):
                yield end, self._card


def _ends(text: bytes, at: int, stop: int, user: _User) -> Iterable[int]:
    """Where matches of a pattern end, one of whose literals stands between two places."""
    one = user.one
    if user.gate is not None:
        named = user.gate.match(text, stop)
        if named is None:
            return ()
        end = named.end()
        if text[end - 1] in _PLAIN_SIGNS or end in _overlapping(user.pattern, text, max(0, at - one.before), end):
            return (end,)
        return ()
    if not one.before:
        match = user.pattern.match(text, at)
        return () if match is None else (match.end(),)
    return [match.end() for match in user.pattern.finditer(text, max(0, at - one.before), at + one.after)]


def _overlapping(pattern: re.Pattern[bytes], text: bytes, start: int, stop: int) -> Iterator[int]:
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
            if piece[at] in _CARD_DIGITS:
                yield at + len(literal)
            run = _ZEROS.match(shape, at + len(literal))
            at = shape.find(literal, run.end() if run and literal == _SHAPES[0] else at + 1)


def _fewest(needles: Iterable[bytes]) -> list[bytes]:
    """Needles without those that hold another one."""
    return [one for one in needles if not any(other in one and other != one for other in needles)]
