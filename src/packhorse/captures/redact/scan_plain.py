"""A scanner with the standard library alone: literals first, the pattern only where its literal stands."""

from __future__ import annotations

import re
from collections.abc import Callable

from packhorse.captures.redact.signals import Signal

#: Digits to 0, all else to a space, so that a run of digits is one literal. Separators are taken out beforehand.
_DIGITS = bytes(48 if 48 <= byte < 58 else 32 for byte in range(256))
_SHORTEST_CARD = b"0" * 13
_CARD_SEPARATORS = b" +-"


def make_scan(signals: tuple[Signal, ...]) -> Callable[[bytes], frozenset[str]]:
    """A function from a text to the names of the signals in it. Thread-safe."""
    prepared = [(s, re.compile(s.pattern)) for s in signals]

    def scan(text: bytes) -> frozenset[str]:
        lower = text.lower()
        found: set[str] = set()
        for signal, pattern in prepared:
            where = lower if signal.caseless else text
            if signal.name in found:
                continue
            if signal.needles:
                if not any(needle in where for needle in signal.needles):
                    continue
            elif not _may_hold_card(text):
                continue
            if _found(signal, pattern, where):
                found.add(signal.name)
        return frozenset(found)

    return scan


def _found(signal: Signal, pattern: re.Pattern[bytes], text: bytes) -> bool:
    if signal.confirm is None:
        return pattern.search(text) is not None
    return any(signal.confirm(text, match.end()) for match in pattern.finditer(text))


def _may_hold_card(text: bytes) -> bool:
    squeezed = text.translate(_DIGITS, _CARD_SEPARATORS)
    return _SHORTEST_CARD in squeezed or (b"%20" in text) or b"\\u0020" in text
