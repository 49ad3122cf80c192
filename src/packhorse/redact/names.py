"""Is this name secret here? Decided once for each spelling, then remembered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal
from urllib.parse import unquote

from packhorse.redact.quoting import unescaped
from packhorse.redact.rules import Rules

#: ``param`` is a parameter of a URL or a field of a form, where the text does not tell which.
Place = Literal["anywhere", "header", "query", "form", "cookie", "param"]
PLACES: tuple[Place, ...] = ("anywhere", "header", "query", "form", "cookie", "param")
#: Spellings remembered for each place: far above what real traffic has, and a bound on hostile traffic.
_MAX_REMEMBERED = 20_000
_SEPARATORS = re.compile(r"[^a-z0-9]+")


def plain_name(name: str) -> str:
    """A name without case and separators: ``X-Api-Key`` → ``xapikey``."""
    return _SEPARATORS.sub("", name.lower())


def fully_unquoted(text: str) -> str:
    """Percent-decoding until nothing changes, at most four times."""
    for _ in range(4):
        if "%" not in text:
            break
        text = unquote(text)
    return text


class NameList:
    """Names and endings."""

    def __init__(self, written: Iterable[str]) -> None:
        texts = tuple(written)
        self.all = "*" in texts
        self.exact = frozenset(plain_name(text) for text in texts if "*" not in text)
        self.endings = tuple(sorted(plain_name(text) for text in texts if text.startswith("*") and text != "*"))
        parts = (text.split("*") for text in texts if "*" in text[1:])
        self.around = tuple(sorted((plain_name(first), plain_name(last)) for first, last in parts))

    def has(self, plain: str) -> bool:
        """Whether a name without case and separators is listed."""
        return (
            self.all
            or plain in self.exact
            or plain.endswith(self.endings)
            or any(plain.startswith(first) and plain.endswith(last) for first, last in self.around)
        )


class NameBook(dict[bytes, bool]):
    """Whether a name is secret in one place: ``book[name]``. Escapes in the name are seen through.

    Decided once for each spelling. Safe to share between threads: a race costs a decision made twice.
    """

    def __init__(self, rules: Rules, place: Place) -> None:
        super().__init__()
        further: dict[Place, tuple[str, ...]] = {
            # A key may stand for a header (an object of headers), so what is secret as a header is secret as a key.
            "anywhere": rules.header,
            "header": rules.header,
            "query": rules.query,
            "form": rules.form,
            "cookie": rules.cookie,
            # "*" means every cookie, and not every parameter.
            "param": (*rules.query, *rules.form, *(name for name in rules.cookie if name != "*")),
        }
        self._secret = NameList((*rules.anywhere, *further[place]))
        self._keep = NameList(rules.keep)
        self._followed_by = tuple(sorted(map(plain_name, rules.followed_by)))

    def _listed(self, plain: str) -> bool:
        """Whether a name is listed, or ends like a listed one but for digits, an s, or words that leave it secret."""
        return self._secret.has(plain) or self._ends(plain) or self._ends(plain.rstrip("0123456789"))

    def _ends(self, plain: str) -> bool:
        if plain.endswith(self._followed_by):
            return any(self._ends(plain.removesuffix(word)) for word in self._followed_by if plain.endswith(word))
        return plain.removesuffix("s").endswith(self._secret.endings) or plain.endswith(self._secret.endings)

    def __missing__(self, name: bytes) -> bool:
        plain = plain_name(fully_unquoted(unescaped(name).decode("utf-8", "replace")))
        secret = self._listed(plain) and not self._keep.has(plain)
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
        self[name] = secret
        return secret
