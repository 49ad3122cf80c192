"""A scanner with the standard library alone: literals first, the pattern only where its literal stands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packhorse.captures.redact.scan_base import Scan
from packhorse.captures.redact.signals import NAME, Signal, starts_name

#: Digits to 0, all else to a space, so that a run of digits is one literal. Separators are taken out beforehand.
_DIGITS = bytes(48 if 48 <= byte < 58 else 32 for byte in range(256))
_SHORTEST_CARD = b"0" * 13
_CARD_SEPARATORS = b" +-"


def make_scan(signals: tuple[Signal, ...]) -> Scan:
    """A scanner that needs nothing installed."""
    prepared = [(s, re.compile(s.bare or s.pattern)) for s in signals]

    def scan(text: bytes, spots: list[int] | None = None) -> frozenset[str]:
        lower = text.lower()
        found: set[str] = set()
        for signal, pattern in prepared:
            where = lower if signal.caseless else text
            if signal.name in found and (spots is None or signal.name != NAME):
                continue
            if signal.needles:
                if not any(needle in where for needle in signal.needles):
                    continue
            elif not _may_hold_card(text):
                continue
            ends = _ends(signal, pattern, where)
            if signal.name == NAME and spots is not None:
                before = len(spots)
                spots.extend(ends)
                hit = len(spots) > before
            else:
                hit = next(ends, None) is not None
            if hit:
                found.add(signal.name)
        return frozenset(found)

    return scan


def _ends(signal: Signal, pattern: re.Pattern[bytes], text: bytes) -> Iterator[int]:
    matches = pattern.finditer(text)
    ends = (match.end() for match in matches if not signal.bare or starts_name(text, match.start()))
    return ends if signal.confirm is None else (end for end in ends if signal.confirm(text, end))


def _may_hold_card(text: bytes) -> bool:
    squeezed = text.translate(_DIGITS, _CARD_SEPARATORS)
    return _SHORTEST_CARD in squeezed or (b"%20" in text) or b"\\u0020" in text
