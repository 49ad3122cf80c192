"""Bodies of every kind, out of languages that are made once per seed."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from functools import cached_property

from packhorse.captures.synth import markup, records, script, words
from packhorse.captures.synth.binary import blob
from packhorse.captures.synth.draws import Draws
from packhorse.captures.synth.forms import Language

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
        foreign: Share of texts with words outside ASCII.
    """

    def __init__(self, seed: int, foreign: float) -> None:
        self._name = f"packhorse-synth/{seed}/library"
        self._foreign = foreign
        self._kept: deque[Body] = deque()
        self._kept_chars = 0

    def _draws(self, part: str) -> Draws:
        return Draws(f"{self._name}/{part}")

    @cached_property
    def words(self) -> list[str]:
        """The vocabulary of all languages."""
        return words.vocabulary(self._draws("words"), 4000)

    @cached_property
    def _languages(self) -> dict[str, Language]:
        return {}

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
        return records.Records(self._draws("records"), self.words, self.language("prose"))

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
        body = draws.pick(self._kept)
        return body if len(body.text) <= limit_chars else None

    def _keep(self, body: Body) -> None:
        self._kept.append(body)
        self._kept_chars += len(body.text)
        while self._kept_chars > _KEPT_CHARS:
            self._kept_chars -= len(self._kept.popleft().text)

    def _text(self, draws: Draws, kind: str, mime: str, chars: int, *, foreign: bool) -> tuple[str, bool]:
        match kind:
            case "image" | "font" | "media":
                return blob(draws, mime, chars), True
            case "script":
                return self.language("minified" if draws.chance(0.75) else "readable").text(draws, chars), False
            case "page":
                text = self.language("foreign-page" if foreign else "page").text(draws, chars)
                return f"<!DOCTYPE html>\n<html>\n<body>\n{text}</body>\n</html>\n", False
            case "drawing":
                text = self.language("drawing").text(draws, chars)
                return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">{text}</svg>', False
            case "json" | "records":
                return self.records.body(draws, chars), False
            case "plain":
                return self.language("foreign-prose" if foreign else "prose").text(draws, chars)[:chars], False
            case "stream":
                return self._events(draws, chars), False
        return self.language("style").text(draws, chars), False

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
