"""Payment card numbers: the networks' first digits, their lengths, and the Luhn check (ISO/IEC 7812-1, annex B)."""

from __future__ import annotations

import re
from typing import NamedTuple

from packhorse.redact.patterns import CARD_BEFORE

_SEPARATOR = rb"(?:[ +-]|%20|\\+u0020)"
_SIGNS = re.escape(b"".join(before for before in CARD_BEFORE if len(before) == 1))
_ESCAPES = b"|".join(b"(?<=" + re.escape(before) + b")" for before in CARD_BEFORE if len(before) > 1)
_ALONE = rb"(?:(?<=[" + _SIGNS + rb"])|\A|" + _ESCAPES + b")"
_BEHIND = rb"(?![0-9a-fA-F_])"
#: In one group; or as printed: 16 to 19 digits by fours, American Express and Diners Club by 4-6-5 and 4-6-4.
_GROUPS = rb"S[0-9]{4}S[0-9]{4}S[0-9]{4}(?:S[0-9]{1,3})?|S[0-9]{6}S[0-9]{4,5}".replace(b"S", _SEPARATOR)
_RUN = re.compile(_ALONE + rb"[2-6][0-9]{12,18}" + _BEHIND)
_GROUPED = re.compile(_ALONE + rb"[2-6][0-9]{3}(?:" + _GROUPS + rb")" + _BEHIND)
_SHORTER = re.compile(_ALONE + b"[2-6][0-9]{3}" + (_SEPARATOR + b"[0-9]{4}") * 3)
_SEPARATORS_OF_ONE = b" +-"
_SEPARATORS = re.compile(_SEPARATOR)
#: A digit to its double's sum of digits, and to itself, as numbers.
_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
_SINGLE = bytes.maketrans(b"0123456789", bytes(range(10)))
_SHORTEST, _LONGEST = 13, 19


class Card(NamedTuple):
    """A card number in a text."""

    start: int
    end: int
    digits: str


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    raw = digits.encode()
    return (sum(raw[::-2].translate(_SINGLE)) + sum(raw[-2::-2].translate(_DOUBLED))) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether digits without separators are a card number of a known network: first digits, length and Luhn check."""
    length, first, two = len(digits), digits[:1], digits[:2]
    if first == "4":
        known = length in (13, 16, 18, 19)
    elif first == "5" or "22" <= two <= "27":
        known = length == 16 or (first == "5" and _SHORTEST <= length <= _LONGEST and two in ("50", "56", "57", "58"))
    elif first == "6":
        known = _SHORTEST <= length <= _LONGEST
    elif first == "3":
        known = (
            length == 15 if two in ("34", "37") else two in ("30", "35", "36", "38", "39") and 14 <= length <= _LONGEST
        )
    else:
        known = False
    return known and luhn(digits)


def card_at(data: bytes, end: int) -> Card | None:
    """The card number whose first groups, or first 13 digits, end at a place; None when there is none."""
    start = end - 13
    if data[start:end].isdigit():
        run = _RUN.match(data, start)
        if run is None or not is_card(digits := run[0].decode()):
            return None
        return Card(start, run.end(), digits)
    # Three groups of four, or four and six and four; 11 where a separator is an escape and two groups were found.
    start = end - (14 if data[end - 10] in _SEPARATORS_OF_ONE else 16 if data[end - 12] in _SEPARATORS_OF_ONE else 11)
    if data[end - 5] not in _SEPARATORS_OF_ONE:
        start = end - (14 if data[end - 5 : end - 4] == b"0" and data[end - 10 : end - 8] == b"\\u" else 11)
    for pattern in (_GROUPED, _SHORTER):
        match = pattern.match(data, max(0, start))
        if match is not None:
            digits = _SEPARATORS.sub(b"", match[0]).decode()
            if is_card(digits):
                return Card(match.start(), match.end(), digits)
    return None
