"""JSON bodies: lists of records whose objects come back in other answers, as users and items of an API do."""

from __future__ import annotations

import json
from typing import Any

from packhorse.bench.synth.draws import Draws
from packhorse.bench.synth.forms import Language
from packhorse.bench.synth.words import COMMON

_FIELDS = (
    "id",
    "name",
    "title",
    "url",
    "status",
    "type",
    "created_at",
    "owner",
    "count",
    "score",
    "kind",
    "state",
    "flags",
)
#: Objects of each kind that the API has to show; lists come back to them.
_KNOWN = 60


class Records:
    """The objects behind one API: some kinds of them, each with a fixed set of fields.

    Args:
        draws: Where the randomness comes from.
        words: Vocabulary of names and texts.
        prose: The language of descriptions.
        recurring: Share of records that were shown before.
    """

    def __init__(self, draws: Draws, words: list[str], prose: Language, recurring: float) -> None:
        self._words = words
        self._recurring = recurring
        self._prose = prose
        self._host = f"https://api.{draws.pick(words)}.example"
        self._schemas = [self._schema(draws) for _ in range(8)]
        self._users = [self._user(draws, index) for index in range(40)]
        self._known: list[list[str]] = [[] for _ in self._schemas]

    def body(self, draws: Draws, chars: int) -> str:
        """A JSON document of about ``chars`` characters (one record at least)."""
        kind = draws.below(len(self._schemas))
        if chars < 60:
            # A full record is longer than that: an acknowledgement, or an empty list.
            return "[]" if chars < 20 else json.dumps({"id": draws.below(10**6), "ok": draws.chance(0.9)})
        parts: list[str] = []
        left = chars - 40
        while left > 0 or not parts:
            part = self.record(draws, kind, small=chars < 600)
            parts.append(part)
            left -= len(part) + 1
        listing = ",".join(parts)
        if len(parts) == 1:
            return listing
        return f'{{"total_count":{draws.below(5000)},"next":"{self._host}/{draws.hex(8)}","items":[{listing}]}}'

    def record(self, draws: Draws, kind: int, *, small: bool) -> str:
        """One record as JSON text; about one in four names a user whose object is the same everywhere."""
        known = self._known[kind]
        if known and not small and draws.chance(self._recurring):
            return draws.zipf(known)
        fields = self._schemas[kind]
        values = [self._value(draws, name, shape) for name, shape in fields[: 5 if small else len(fields)]]
        made = "{" + ",".join(values) + "}"
        if not small and len(known) < _KNOWN:
            known.append(made)
        return made

    def _schema(self, draws: Draws) -> list[tuple[str, str]]:
        extra = [f"{draws.zipf(self._words)}_{draws.pick(COMMON)}" for _ in range(draws.between(6, 18))]
        names = [*_FIELDS[: draws.between(5, 9)], *extra]
        shapes = ("int", "word", "url", "flag", "null", "flag", "int", "date", "hash", "user", "text", "url", "null")
        return [(name, shapes[index % 13] if index else "int") for index, name in enumerate(names)]

    def _user(self, draws: Draws, index: int) -> str:
        login = draws.pick(self._words) + str(index)
        links = ",".join([f'"{word}_url":"{self._host}/users/{login}/{word}"' for word in self._words[5:10]])
        return f'{{"login":"{login}","id":{draws.below(10**7)},{links},"type":"user","site_admin":false}}'

    def _value(self, draws: Draws, name: str, shape: str) -> str:
        value: Any
        if shape == "user":
            return f'"{name}":{draws.zipf(self._users)}'
        if shape == "int":
            value = str(draws.below(10**4))
        elif shape == "flag":
            value = draws.pick(("true", "false", "false"))
        elif shape == "null":
            value = "null"
        elif shape == "word":
            value = f'"{draws.zipf(self._words)}"'
        elif shape == "url":
            value = f'"{self._host}/{name}/{draws.zipf(self._words)}/{draws.below(900)}"'
        elif shape == "date":
            day = f"2024-0{draws.between(1, 9)}-{draws.between(10, 28)}"
            value = f'"{day}T{draws.between(10, 23)}:14:{draws.between(10, 59)}Z"'
        elif shape == "hash":
            value = f'"{draws.hex(20)}"'
        else:
            value = json.dumps(self._prose.text(draws, 50), ensure_ascii=False)
        return f'"{name}":{value}'
