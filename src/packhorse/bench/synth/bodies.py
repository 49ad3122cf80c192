"""Bodies of every kind, out of languages that are made once per seed."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from functools import cached_property

from packhorse.bench.synth import markup, records, script, words
from packhorse.bench.synth.binary import blob
from packhorse.bench.synth.draws import Draws
from packhorse.bench.synth.forms import Language

_IMAGES = (("image/png", 0.4), ("image/jpeg", 0.35), ("image/gif", 0.15), ("image/webp", 0.1))
_MIMES = {
    "script": ("application/javascript", "text/javascript; charset=utf-8", "application/x-javascript"),
    "style": ("text/css", "text/css; charset=utf-8"),
    "page": ("text/html", "text/html; charset=utf-8"),
    "font": ("font/woff2", "font/woff"),
    "drawing": ("image/svg+xml",),
    "plain": ("text/plain", "text/plain; charset=utf-8"),
    "json": ("application/json", "application/json; charset=utf-8"),
    "records": ("application/json; charset=utf-8",),
    "media": ("application/octet-stream", "image/png", "audio/mpeg"),
    "stream": ("text/event-stream",),
}
_BINARY = ("image", "font", "media")
_FRAMES = {
    "page": ("<!DOCTYPE html>\n<html>\n<body>\n", "</body>\n</html>\n"),
    "drawing": ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">', "</svg>"),
}
#: Share of scripts that went through a minifier.
_MINIFIED = 0.7
#: Earlier bodies kept for repetition: as many as a visit may well show twice, within this many characters.
_KEPT_CHARS = 4_000_000


@dataclass(frozen=True, slots=True)
class Body:
    """One answer's content: its kind and MIME type, its text, and whether that text is base64."""

    kind: str
    mime: str
    text: str
    base64: bool


class Library:
    """Everything that bodies are written with, made lazily from one seed.

    Args:
        seed: The capture's seed.
        recurring: Share of the API's records that were shown before.
    """

    def __init__(self, seed: int, recurring: float) -> None:
        self._name = f"packhorse-synth/{seed}/library"
        self._recurring = recurring
        self._languages: dict[str, Language] = {}
        self._kept: deque[Body] = deque()
        self._kept_chars = 0

    @property
    def naming(self) -> Draws:
        """Draws that start again at each use: what is drawn from them is the same throughout the capture."""
        return self._draws("naming")

    def _draws(self, part: str) -> Draws:
        return Draws(f"{self._name}/{part}")

    @cached_property
    def words(self) -> list[str]:
        """The vocabulary of all languages."""
        return words.vocabulary(self._draws("words"), 4000)

    def language(self, part: str) -> Language:
        """The language called ``part``, made at its first use."""
        if part not in self._languages:
            self._languages[part] = self._make(part, self._draws(part))
        return self._languages[part]

    def _make(self, part: str, draws: Draws) -> Language:
        foreign = words.accented(draws, 60) if part.startswith("foreign") else []
        match part:
            case "minified" | "readable":
                return script.script(draws, self.words, minified=part == "minified")
            case "style":
                return markup.styles(draws, self.words)
            case "drawing":
                return markup.drawing(draws, self.words)
            case "page" | "foreign-page":
                return markup.page(draws, self.words, foreign)
            case _:
                return markup.prose(draws, self.words, foreign)

    @cached_property
    def records(self) -> records.Records:
        """The objects behind the API."""
        return records.Records(self._draws("records"), self.words, self.language("prose"), self._recurring)

    def body(self, draws: Draws, kind: str, chars: int, *, foreign: bool) -> Body:
        """A new body of about ``chars`` characters, kept for :meth:`repeated`."""
        mime = draws.weighted(_IMAGES) if kind == "image" else draws.pick(_MIMES[kind])
        text, is_base64 = self._text(draws, kind, mime, chars, foreign=foreign)
        made = Body(kind, mime, text, is_base64)
        self._keep(made)
        return made

    def repeated(self, draws: Draws, limit_chars: int) -> Body | None:
        """An earlier body of at most ``limit_chars`` characters, or None when the one drawn is longer."""
        if not self._kept:
            return None
        # The product of two uniform draws: pages ask again for what they have just had.
        body = self._kept[-1 - int(draws.random() * draws.random() * len(self._kept))]
        return body if len(body.text) <= limit_chars else None

    def _keep(self, body: Body) -> None:
        self._kept.append(body)
        self._kept_chars += len(body.text)
        while self._kept_chars > _KEPT_CHARS:
            self._kept_chars -= len(self._kept.popleft().text)

    def _text(self, draws: Draws, kind: str, mime: str, chars: int, *, foreign: bool) -> tuple[str, bool]:
        if kind in _BINARY:
            return blob(draws, mime, chars), True
        if kind in ("json", "records"):
            return self.records.body(draws, chars), False
        if kind == "stream":
            return self._events(draws, chars), False
        head, tail = _FRAMES.get(kind, ("", ""))
        return head + self._language_for(draws, kind, foreign=foreign).text(draws, chars) + tail, False

    def _language_for(self, draws: Draws, kind: str, *, foreign: bool) -> Language:
        if kind == "script":
            return self.language("minified" if draws.chance(_MINIFIED) else "readable")
        if kind in ("page", "plain"):
            part = "page" if kind == "page" else "prose"
            return self.language(f"foreign-{part}" if foreign else part)
        return self.language(kind)

    def _events(self, draws: Draws, chars: int) -> str:
        pieces = self.language("prose").text(draws, max(chars // 3, 20)).split(" ")
        ident = draws.token(24)
        events: list[str] = []
        left = chars
        for start in range(0, len(pieces), 3):
            delta = json.dumps(" ".join(pieces[start : start + 3]) + " ", ensure_ascii=False)
            event = f'data: {{"id":"msg-{ident}","object":"chunk","index":0,"delta":{{"content":{delta}}}}}\n\n'
            left -= len(event)
            if left < 0 and events:
                break
            events.append(event)
        return "".join(events) + "data: [DONE]\n\n"
