"""Payment card numbers: the networks' first digits, their lengths, and the Luhn check (ISO/IEC 7812-1, annex B)."""

from __future__ import annotations

import re
from collections.abc import Callable

#: Digits, in one group or in groups of three and more; not the decimals of a number, not part of a hexadecimal word.
_RUN = re.compile(r"(?<![0-9a-fA-F_])(?<![0-9]\.)[0-9]+(?:(?:[ +-]|%20)[0-9]+)*(?![a-fA-F_])")
_GROUP = re.compile(r"[0-9]+")
#: How cards are written in groups: 16 to 19 digits by fours, American Express and Diners Club by 4-6-5 and 4-6-4.
_GROUPED = ((4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 4, 1), (4, 4, 4, 4), (4, 6, 5), (4, 6, 4))
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_SHORTEST, _LONGEST = 13, 19


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    values = [ord(digit) - 48 for digit in reversed(digits)]
    return (sum(values[0::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


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


def replace_cards(text: str, mark: Callable[[str], str]) -> str:
    """The text with each card number replaced by ``mark(digits)``."""

    def in_run(match: re.Match[str]) -> str:
        run = match[0]
        if len(run) < _SHORTEST:
            return run
        groups = [found.span() for found in _GROUP.finditer(run.replace("%20", "   "))]
        pieces, at, index = [], 0, 0
        while index < len(groups):
            end = _card_from(run, groups, index)
            if end is None:
                index += 1
                continue
            start, stop = groups[index][0], groups[end][1]
            digits = "".join(run[a:b] for a, b in groups[index : end + 1])
            pieces += [run[at:start], mark(digits)]
            at, index = stop, end + 1
        return "".join(pieces) + run[at:]

    return _RUN.sub(in_run, text)


def holds_card(text: str) -> bool:
    """Whether :func:`replace_cards` would replace something."""
    found: list[str] = []

    def mark(digits: str) -> str:
        found.append(digits)
        return ""

    replace_cards(text, mark)
    return bool(found)


def _card_from(run: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of the card that begins with group ``first``, or None."""
    start, stop = groups[first]
    if stop - start >= _SHORTEST:
        return first if is_card(run[start:stop]) else None
    if stop - start != 4:
        return None
    for lengths in _GROUPED:
        chosen = groups[first : first + len(lengths)]
        if tuple(b - a for a, b in chosen) == lengths and is_card("".join(run[a:b] for a, b in chosen)):
            return first + len(lengths) - 1
    return None
