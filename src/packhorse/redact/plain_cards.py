"""Where a payment card may stand, found as literals in a copy of the text whose digits are all ``0``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

#: Digits to 0 and what may stand between groups to -, so that each way of writing a card holds one of the literals.
_SHAPE = bytes(48 if 48 <= byte < 58 else 45 if byte in b" +-" else 32 for byte in range(256))
_SHAPES = (b"0" * 13, b"0000-0000", b"0000-000000-0000")
#: Written as %20 or \\u0020, a separator is itself the literal.
_ESCAPED = (re.compile(rb"%20(?<=[0-9]{4}%20)"), re.compile(rb"\\u0020(?<=[0-9]{4}\\u0020)"))
_SHORTEST = 13
_ZEROS = re.compile(b"0*")
#: A card's own first separator is never further behind its beginning.
_ESCAPED_BEFORE_BYTES = 20
_BEFORE_BYTES, _AFTER_BYTES = 8, 80


class CardFinder:
    """Finds what the card signal would match anywhere."""

    def __init__(self, pattern: bytes, confirm: Callable[[bytes, int], bool]) -> None:
        self._pattern = re.compile(pattern)
        self._confirm = confirm

    def found(self, text: bytes, lower: bytes) -> bool:
        """Whether a payment card may be in the text."""
        if len(text) < _SHORTEST:
            return False
        for at in self._places(text):
            for match in self._pattern.finditer(lower, max(0, at - _BEFORE_BYTES), at + _AFTER_BYTES):
                if self._confirm(text, match.end()):
                    return True
        return False

    def _places(self, text: bytes) -> Iterator[int]:
        shape = text.translate(_SHAPE)
        for literal in _SHAPES:
            at = shape.find(literal)
            while at >= 0:
                yield at
                run = _ZEROS.match(shape, at + len(literal))
                at = shape.find(literal, run.end() if run and literal == _SHAPES[0] else at + 1)
        for escaped in _ESCAPED:
            for match in escaped.finditer(text):
                yield max(0, match.start() - _ESCAPED_BEFORE_BYTES)
