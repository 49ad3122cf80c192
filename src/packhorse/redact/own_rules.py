"""A user's own patterns and JSON paths, which need every text as it is meant: objects are walked, bodies are read."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from packhorse.errors import RedactionError
from packhorse.model import HAR_ENTRIES
from packhorse.redact.marker import is_marker
from packhorse.redact.rules import Rules
from packhorse.redact.work import MOST_NESTED

#: From a secret and its rule to the marker.
Mark = Callable[[str, str], str]
_PERCENT_RUN = re.compile(r"[^\s&=?;\"'<>]*%[^\s&=?;\"'<>]*")


def _whole(line: str) -> bool:
    """Whether a line may be JSON by itself."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


class OwnRules:
    """Applies them to one element at a time."""

    def __init__(self, rules: Rules, mark: Mark) -> None:
        self._rules = rules
        self._mark = mark

    def element(self, value: Any) -> Any:
        """An element or a document without what the rules take out; the same object when they take out nothing."""
        return self._document(self._walk(value, 0))

    def _document(self, value: Any) -> Any:
        for path in self._rules.json_path:
            value = path.apply(value, self._found)
        log = value.get(HAR_ENTRIES[0]) if isinstance(value, dict) else None
        entries = log.get(HAR_ENTRIES[1]) if isinstance(log, dict) else None
        if not isinstance(log, dict) or not isinstance(entries, list):
            return value
        new = [self._document(entry) for entry in entries]
        if all(a is b for a, b in zip(new, entries, strict=True)):
            return value
        return {**value, HAR_ENTRIES[0]: {**log, HAR_ENTRIES[1]: new}}

    def _found(self, value: Any) -> Any:
        if value is None:
            return None
        text = value if isinstance(value, str) else repr(value)
        return text if is_marker(text) else self._mark(text, "json-path")

    def _walk(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, dict):
            encoded = str(value.get("encoding")).lower() == "base64"
            new = {
                self._text(key, depth) if isinstance(key, str) else key: self._base64(child, depth)
                if encoded and key == "text"
                else self._walk(child, depth)
                for key, child in value.items()
            }
            same = all(a is b for a, b in zip(new.values(), value.values(), strict=True)) and new.keys() == value.keys()
            return value if same else new
        if isinstance(value, (list, tuple)):
            items = [self._walk(item, depth) for item in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        return value

    def _base64(self, value: Any, depth: int) -> Any:
        try:
            text = b64decode(value, validate=True).decode()
        except (TypeError, ValueError):
            return self._walk(value, depth)
        new = self._text(text, depth)
        return value if new == text else b64encode(new.encode()).decode()

    def _text(self, text: str, depth: int) -> str:
        if depth > MOST_NESTED:
            raise RedactionError("texts within texts are nested too deep to be checked for secrets")
        if text.lstrip()[:1] in ("{", "[", '"'):
            try:
                inner = json.loads(text)
            except ValueError:
                return "\n".join(self._line(line, depth + 1) for line in text.split("\n"))
            new = self._document(self._walk(inner, depth + 1))
            return text if new is inner else json.dumps(new, ensure_ascii=False, separators=(",", ":"))
        return self._plain(text)

    def _line(self, line: str, depth: int) -> str:
        return self._text(line, depth) if _whole(line) else self._plain(line)

    def _plain(self, text: str) -> str:
        new = text
        if "%" in text:
            new = _PERCENT_RUN.sub(lambda match: self._unquoted(match[0]), new)
        for rule in self._rules.regex:
            new = rule.pattern.sub(lambda match, name=rule.name: self._mark(match[0], name), new)  # type: ignore[misc]
        return text if new == text else new

    def _unquoted(self, text: str) -> str:
        meant = unquote(text)
        if not any(rule.pattern.search(meant) and not rule.pattern.search(text) for rule in self._rules.regex):
            return text
        return quote(self._plain(meant) if "%" not in meant else meant, safe="[]:")
