"""A scanner in C: finds the words without which no pattern matches, in one pass of vector instructions.

``_native_find.h`` tells how. Here it is chosen which words, and by which four bytes of them ("windows") they are found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from packhorse.redact.native import RARE_KINDS, native, rare_numbers
from packhorse.redact.patterns import COMMON, NUMBER_BITS, How, Pattern
from packhorse.units import KIB

#: Scanned while the interpreter's lock is held: a tenth of a millisecond, in hostile texts up to nine.
PIECE_BYTES = 128 * KIB
_NUMBER = (1 << NUMBER_BITS) - 1
#: Bytes by which a word is found: it has at least one less.
_WINDOW = 4
#: Its length is a byte in what the compiled code reads.
_LONGEST = 250
#: Sets of so few bytes behind a word may be part of its window.
_FEW = 20
_SEPARATORS, _SIGNS = b"-_. []", b"\"'`=:> |?<\\%&"
_ANY = bytes(range(128))
_LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789"

#: These patterns have needles that end with the sign behind a key.
_CLOSED = (How.JARS, How.HEADERS, How.OBJECTS)


@dataclass(frozen=True, slots=True)
class _Needle:
    """A word, what is looked at around it, and what may follow it where it is shorter than a window."""

    text: bytes
    how: How
    number: int
    caseless: bool = True
    around: tuple[tuple[bytes, bytes, bool], ...] = ()
    front: bytes = b""
    follows: bytes = _ANY

    def row(self, number: int) -> tuple[bytes, int, int, bool, bytes, bytes, bytes]:
        """The same as ``_native_find.h`` reads it."""
        around = b"".join(
            b"%c%c%c%b%b" % (len(before), len(after), star, before[::-1], after) for before, after, star in self.around
        )
        follows = bytes({byte | 0x20 for byte in self.follows})
        behind = follows if len(self.text) < _WINDOW or len(follows) <= _FEW else b""
        return self.text, int(self.how), number, self.caseless, _bits(self.front), around, behind


def can_find(patterns: Sequence[Pattern]) -> bool:
    """Whether this scanner is built, and the words of these patterns are long enough: some of a user's may not be."""
    names = [words for one in patterns for words, _ in one.names]
    texts = [text for one in patterns if not one.names and one.kind not in RARE_KINDS for text in one.needles]
    shortest = min(map(len, (*texts, *(max(words, key=len) for words in names))), default=_WINDOW)
    return native is not None and shortest >= _WINDOW - 1 and all(len(b" ".join(words)) < _LONGEST for words in names)


class Scanner:
    """Finds patterns. Thread-safe."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._rare = rare_numbers(patterns)
        needles = _needles(patterns)
        self._maybe = [
            (n.number, patterns[n.number], _compiled(patterns[n.number])) for n in needles if n.how is How.MAYBE
        ]
        numbers = iter(range(len(self._maybe)))
        self._finder = native.finder(
            tuple(one.row(next(numbers) if one.how is How.MAYBE else one.number) for one in needles)
        )
        self.only_base64 = native.only_base64

    def hits(self, data: bytes, start: int, stop: int) -> Iterator[list[int]]:
        """As ``Scan.hits``."""
        late: list[int] = []
        for at in range(start, max(stop, start + 1), PIECE_BYTES):
            end = min(stop, at + PIECE_BYTES)
            hits, maybe = native.scan(self._finder, data, start, at, end, stop, *self._rare)
            for one in maybe:
                hits += self._ends(data, start, one, stop)
            hits = sorted({*hits, *late})
            if end < stop and hits and hits[-1] >> NUMBER_BITS > end:
                # Found across the end of this piece: the next one may have something before that.
                late = [hit for hit in hits if hit >> NUMBER_BITS > end]
                hits = hits[: -len(late)]
            else:
                late = []
            yield hits

    def _ends(self, data: bytes, start: int, one: int, stop: int) -> list[int]:
        """Hits of a pattern, one of whose words begins at a place."""
        at = one >> NUMBER_BITS
        number, pattern, compiled = self._maybe[one & _NUMBER]
        if pattern.before:
            low, high = max(start, at - pattern.before), min(stop, at + pattern.after)
            return [match.end() << NUMBER_BITS | number for match in compiled.finditer(data, low, high)]
        match = compiled.match(data, at, stop)
        return [] if match is None else [match.end() << NUMBER_BITS | number]


def _compiled(one: Pattern) -> re.Pattern[bytes]:
    return re.compile(one.pattern, re.IGNORECASE if one.caseless else 0)


def _bits(chars: bytes) -> bytes:
    """A set of bytes as a bit for each."""
    table = bytearray(32)
    for byte in chars:
        table[byte // 8] |= 1 << byte % 8
    return bytes(table) if chars else b""


def _needles(patterns: Sequence[Pattern]) -> list[_Needle]:
    names: dict[How, list[tuple[tuple[bytes, ...], bool]]] = {}
    numbers: dict[How, int] = {}
    needles = []
    for number, one in enumerate(patterns):
        if one.names:
            names.setdefault(one.how, []).extend(one.names)
            numbers.setdefault(one.how, number)
        elif one.kind not in RARE_KINDS:
            texts, follows = _fewest(one.needles) if one.how is How.MAYBE else one.needles, _ANY
            if one.how in _CLOSED:
                texts, follows = sorted({text[:-1] for text in texts}), b'"\\'
            needles += [_Needle(text, one.how, number, one.caseless, (), one.front, follows) for text in texts]
    return needles + [needle for how, listed in names.items() for needle in _of_names(how, numbers[how], listed)]


def _fewest(texts: Iterable[bytes]) -> list[bytes]:
    """Texts without those that begin with another one."""
    return [one for one in texts if not any(one.startswith(other) and one != other for other in texts)]


def _of_names(how: How, number: int, names: Sequence[tuple[tuple[bytes, ...], bool]]) -> Iterator[_Needle]:
    """As few words as may be, of which each name holds one, with what stands around them in the names."""
    left, uses = {(b" ".join(words), star) for words, star in names}, {}
    while left:
        words = {word for name, _ in left for word in _long_enough(name.split())}
        counts = {word: sum(word in name for name, _ in left) for word in sorted(words)}
        best = max(counts, key=lambda word: (counts[word] - (1.5 if word in COMMON else 0), len(word)))
        uses[best] = {one for one in left if best in one[0]}
        left -= uses[best]
    for text, listed in uses.items():
        parts = ((name.partition(text), star) for name, star in listed)
        around = {(before, after, star) for (before, _, after), star in parts}
        follows = _SEPARATORS + b")" + _SIGNS + (_LETTERS if any(star or after for _, after, star in around) else b"")
        yield _Needle(text, how, number, around=tuple(sorted(around)), follows=follows)


def _long_enough(words: list[bytes]) -> list[bytes]:
    """Those that a window fits, unless there are none."""
    return [word for word in words if len(word) >= _WINDOW - 1] or words
