"""Is this name secret here? Decided once for each spelling, then remembered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from packhorse.redact.rules import Rules

Place = Literal["anywhere", "header", "query", "form", "cookie"]
#: Spellings remembered for each place: far above what real traffic has, and a bound on hostile traffic.
_MAX_REMEMBERED = 20_000
_SEPARATORS = re.compile(r"[^a-z0-9]+")


def plain_name(name: str) -> str:
    """A name without case and separators: ``X-Api-Key`` → ``xapikey``."""
    lower = name.lower()
    return _SEPARATORS.sub("", lower) if not lower.isalnum() or not lower.isascii() else lower


class NameList:
    """Names and endings."""

    def __init__(self, written: Iterable[str]) -> None:
        texts = tuple(written)
        self.all = "*" in texts
        self.exact = frozenset(plain_name(text) for text in texts if not text.startswith("*"))
        self.endings = tuple(sorted(plain_name(text) for text in texts if text.startswith("*") and text != "*"))

    def has(self, plain: str) -> bool:
        """Whether a name without case and separators is listed."""
        return self.all or plain in self.exact or plain.endswith(self.endings)


class NameBook:
    """Decides names in one place. Safe to share between threads: a race costs a decision made twice."""

    def __init__(self, rules: Rules, place: Place) -> None:
        # A key may stand for a header (an object of headers), so what is secret as a header is secret as a key.
        further = rules.header if place == "anywhere" else getattr(rules, place)
        self._secret = NameList((*rules.anywhere, *further))
        #: Every name is secret here.
        self.every = self._secret.all
        self._keep = NameList(rules.keep)
        #: Spellings known to be harmless, as a set, so that whole lists of names are checked without a Python loop.
        self.harmless: set[str] = set()
        self._known: dict[str, bool] = {}

    def secret(self, name: str) -> bool:
        """Whether the value under this name is to be replaced."""
        known = self._known.get(name)
        return self._decide(name) if known is None else known

    def _decide(self, name: str) -> bool:
        plain = plain_name(name)
        secret = self._secret.has(plain) and not self._keep.has(plain)
        if len(self._known) >= _MAX_REMEMBERED:
            self._known = {}
            self.harmless = set()
        self._known[name] = secret
        if not secret:
            self.harmless.add(name)
        return secret
