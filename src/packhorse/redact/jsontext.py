"""JSON text within captures, read and written without changing what is not secret. Imports ``orjson``."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

#: orjson reads integers beyond 64 bits as floats, so texts that may hold one go to the standard library.
_LONG_NUMBER = re.compile(r"[0-9]{17}")


class NotJson(ValueError):
    """The text is not one JSON document, or is nested too deep to be read."""


def loads(text: str) -> Any:
    """Read one JSON document. Raises NotJson."""
    try:
        if _LONG_NUMBER.search(text) is None:
            return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise NotJson("not JSON") from None


def dumps(value: Any) -> str:
    """Write compact JSON, with characters rather than escapes."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def scannable(value: Any) -> bytes | None:
    """Compact JSON of plain objects, for scanning only; None when the careful way must look at it."""
    try:
        return orjson.dumps(value, None, _STRICT)
    except (TypeError, ValueError, RecursionError):
        return None
