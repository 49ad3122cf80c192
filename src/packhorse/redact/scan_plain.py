"""A scanner with the standard library alone: each kind of signal by the literals it cannot do without."""

from __future__ import annotations

import re
from collections.abc import Callable

from packhorse.redact.plain_cards import CardFinder
from packhorse.redact.plain_literals import joined, literal_passes
from packhorse.redact.plain_names import SHORT_BYTES, NameFinder
from packhorse.redact.scan_base import Scan
from packhorse.redact.signals import CARD, ESCAPED, NAME, USERINFO, Signal

#: A character of a password before the @; then the whole is tried, over no more than this.
_AT = re.compile(rb"@(?<=[^/\\\s\"'<>@?#]@)")
_USERINFO_BYTES = 600
_NOTHING: frozenset[str] = frozenset()


def make_scan(signals: tuple[Signal, ...]) -> Scan:
    """A scanner that needs nothing installed. Thread-safe."""
    special = {CARD: _card, USERINFO: _userinfo, ESCAPED: _escaped}
    names = [signal for signal in signals if signal.name == NAME]
    literal = [signal for signal in signals if signal.name != NAME and signal.name not in special]
    finder = NameFinder(names) if names else None
    cased = literal_passes(signal for signal in literal if not signal.caseless)
    caseless = literal_passes(signal for signal in literal if signal.caseless)
    cased_short, caseless_short = joined(cased), joined(caseless)
    others = [(signal.name, special[signal.name](signal)) for signal in signals if signal.name in special]

    def scan(text: bytes, spots: list[int] | None = None) -> frozenset[str]:
        lower = text.lower()
        found: set[str] = set()
        if finder is not None:
            ends = finder.ends(text, lower)
            if spots is None:
                if next(ends, None) is not None:
                    found.add(NAME)
            else:
                before = len(spots)
                spots.extend(ends)
                if len(spots) > before:
                    found.add(NAME)
        short = len(text) <= SHORT_BYTES
        for one in cased_short if short else cased:
            one.collect(text, found)
        for one in caseless_short if short else caseless:
            one.collect(lower, found)
        for name, look in others:
            if look(text, lower):
                found.add(name)
        return frozenset(found) if found else _NOTHING

    return scan


_Look = Callable[[bytes, bytes], bool]


def _card(signal: Signal) -> _Look:
    if signal.confirm is None:
        raise ValueError("the card signal has nothing that confirms it")
    return CardFinder(signal.pattern, signal.confirm).found


def _userinfo(signal: Signal) -> _Look:
    pattern = re.compile(signal.pattern)

    def look(text: bytes, _lower: bytes) -> bool:
        if b"@" not in text:
            return False
        for hit in _AT.finditer(text):
            at = hit.start()
            start = max(0, at - _USERINFO_BYTES)
            slash = text.rfind(b"/", start, at)
            if slash >= 0 and text.find(b":", slash, at) >= 0 and pattern.search(text, start, at + 1):
                return True
        return False

    return look


def _escaped(signal: Signal) -> _Look:
    # Each branch begins with a literal of its own; together they would be tried at every character.
    branches = [re.compile(branch) for branch in signal.branches]
    return lambda _text, lower: any(branch.search(lower) for branch in branches)
