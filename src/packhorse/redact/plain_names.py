"""Secret names found by what follows them: a quote, an equals sign, a colon.

Such delimiters are found by ``memchr``, one kind after the other; whether a secret name may end before one is told by
the letters before it, still inside ``re``. Few places are left, and each is looked at exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from packhorse.redact.signals import AFTER_NAME, BEFORE_NAME, SEPARATORS, Signal

#: The first byte of what AFTER_NAME matches. The brackets close something a name stands in: ``user[token]=``.
_DELIMITERS = b"\"'=:%>\\"
_BRACKETS = b"])"
#: Up to here one pass for all delimiters is faster than one by ``memchr`` for each.
SHORT_BYTES = 1000
#: Letters that are looked at before a name is tried exactly; separators between the last two words come on top.
_LETTERS = 10
_MOST_SEPARATORS = 2
_SEPARATOR_MARKS = tuple(bytes((byte,)) for byte in b"-_. []")

_Confirm = Callable[[bytes, int], bool]


class NameFinder:
    """Finds every place where a secret name may stand before its value."""

    def __init__(self, signals: list[Signal]) -> None:
        by_ending: dict[tuple[bytes, _Confirm], list[Signal]] = {}
        for signal in signals:
            if signal.confirm is None:
                raise ValueError(f"the signal {signal.name} has nothing that confirms it")
            by_ending.setdefault((signal.words[-1][-2:], signal.confirm), []).append(signal)
        self._heads: dict[bytes, list[tuple[re.Pattern[bytes], int, _Confirm]]] = {}
        for (ending, confirm), group in by_ending.items():
            longest = max(sum(map(len, s.words)) + _MOST_SEPARATORS * len(s.words) + len(rb"\n") for s in group)
            pattern = re.compile(b"(?:" + b"|".join(s.head for s in group) + rb")\Z")
            self._heads.setdefault(ending, []).append((pattern, longest, confirm))
        tails = {tail for signal in signals for tail in _tails(signal)}
        # A space is too common to be looked for, so "name =" is found by the sign behind it.
        spaced = (re.compile(b"=(?<= =)" + _behind(b" =", tails)), 1)
        self._passes = [(re.compile(_pass(bytes((byte,)), tails)), 0) for byte in _DELIMITERS + _BRACKETS]
        self._passes.append(spaced)
        self._one_pass = [(re.compile(_pass(_DELIMITERS + _BRACKETS, tails)), 0), spaced]
        self._after = re.compile(AFTER_NAME)

    def ends(self, text: bytes, lower: bytes) -> Iterator[int]:
        """Offsets just behind a name and its delimiter, confirmed, in no particular order."""
        for delimiter, back in self._one_pass if len(lower) <= SHORT_BYTES else self._passes:
            for hit in delimiter.finditer(lower):
                at = hit.start() - back
                after = self._after.match(lower, at)
                if after is not None and self._named(text, lower, at, after.end()):
                    yield after.end()

    def _named(self, text: bytes, lower: bytes, at: int, end: int) -> bool:
        endings = (lower[max(0, at - 2) : at], lower[max(0, at - 1) : at])
        for ending in endings:
            for head, longest, confirm in self._heads.get(ending, ()):
                if head.search(lower, max(0, at - longest), at) and confirm(text, end):
                    return True
        return False


#: A pattern of one width, and the last letters it ends in.
_Tail = tuple[bytes, bytes]


def _tails(signal: Signal) -> Iterable[_Tail]:
    """Patterns of fixed width, as look-behind needs them, one of which ends where the name ends."""
    last = signal.words[-1][-_LETTERS:]
    if len(last) == _LETTERS or (len(signal.words) == 1 and not signal.whole):
        return [(last, last[-3:])]
    if len(signal.words) == 1:
        return [(BEFORE_NAME + last, last[-3:])]
    front = signal.words[-2][-(_LETTERS - len(last)) :]
    tails = [(front + last, (front + last)[-3:])]
    for count in range(_MOST_SEPARATORS):
        tails += [
            (front + SEPARATORS * count + re.escape(mark) + last, (mark + last)[-3:]) for mark in _SEPARATOR_MARKS
        ]
    return tails


def _pass(delimiters: bytes, tails: set[_Tail]) -> bytes:
    """A delimiter where one of the tails stands before it."""
    mark = re.escape(delimiters) if len(delimiters) == 1 else _one_of(delimiters)
    ahead = rb"(?=[\])]?(?:[\"'=:%>\\]| =))" if delimiters in _BRACKETS else b""
    return mark + ahead + _behind(mark, tails)


def _behind(mark: bytes, tails: set[_Tail]) -> bytes:
    """One of the tails and the mark, seen from behind them; sets of letters refuse most places at once."""
    ends = {end for _, end in tails}
    depth = min(3, *map(len, ends))
    sets = b"".join(_one_of(end[-back] for end in ends) for back in range(depth, 0, -1))
    last = _one_of(end[-1] for end in ends)
    # An alternation of literals is told apart by their first letters, much faster than one of look-behinds.
    literals = b"(?:" + b"|".join(re.escape(end) for end in sorted({end[-depth:] for end in ends})) + b")"
    guards = b"".join(b"(?<=" + guard + mark + b")" for guard in (last, sets, literals))
    return guards + _branches(mark, tails, 1)


def _branches(mark: bytes, tails: set[_Tail], letters: int) -> bytes:
    """The tails, told apart letter by letter from their ends, so that few are tried anywhere."""
    by_end: dict[bytes, set[_Tail]] = {}
    for tail, end in tails:
        by_end.setdefault(end[-letters:], set()).add((tail, end))
    branches = []
    for end, group in sorted(by_end.items()):
        if len(group) > 1 and max(len(one) for _, one in group) > letters:
            branches.append(b"(?<=" + re.escape(end) + mark + b")" + _branches(mark, group, letters + 1))
        else:
            branches += [b"(?<=" + tail + mark + b")" for tail, _ in sorted(group)]
    return b"(?:" + b"|".join(branches) + b")"


def _one_of(letters: Iterable[int]) -> bytes:
    return b"[" + re.escape(bytes(sorted(set(letters)))) + b"]"
