"""Objects as JSON text and back: what is found in the text is replaced in the object, and all else is shared with it.

Imports ``orjson``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson

from packhorse.errors import RedactionError

_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_PLAIN = (int, float, type(None))
_BYTES = (bytes, bytearray, memoryview)


def dumps(value: Any, redact_bytes: Callable[[bytes], bytes]) -> bytes:
    """JSON text of any object whose parts can be checked.

    Args:
        value: Beside what JSON has: tuples, bytes, lone surrogates, integers of any size, floats of any kind.
        redact_bytes: Takes the secrets out of bytes, which stand in the text as Latin-1.

    Raises:
        RedactionError: A value of a type that cannot be checked.
        Exception: The object is nested too deep, or does not let itself be read.
    """
    try:
        return orjson.dumps(value, None, _STRICT)
    except (TypeError, ValueError, RecursionError):
        pass

    def odd(inner: Any) -> str:
        if isinstance(inner, _BYTES):
            return redact_bytes(bytes(inner)).decode("latin-1")
        raise RedactionError(f"a value of type {type(inner).__name__} cannot be checked for secrets")

    return json.dumps(value, default=odd, check_circular=False, separators=(",", ":")).encode()


def loads(text: bytes) -> Any:
    """The object of a JSON text. Numbers may lose digits: :func:`graft` takes none of them."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def graft(old: Any, new: Any) -> Any:
    """``old`` with what differs in ``new``, which was read from its redacted text. Nothing is mutated.

    Raises:
        RedactionError: The two are not alike, so that it is not known what was replaced where.
    """
    if isinstance(old, str):
        return old if old == new else new
    if isinstance(old, dict):
        return _graft_dict(old, new)
    if isinstance(old, (list, tuple)):
        return _graft_list(old, new)
    if isinstance(old, _PLAIN):
        return new if isinstance(new, str) else old
    if isinstance(old, _BYTES):
        raw = new.encode("latin-1")
        return old if raw == bytes(old) else raw
    return old if loads(dumps(old, bytes)) == new else new


def _graft_dict(old: dict[Any, Any], new: Any) -> Any:
    if not isinstance(new, dict) or len(old) != len(new):
        raise RedactionError("an element has keys that look alike as JSON")
    changed = False
    grafted = {}
    for (key, value), (new_key, new_value) in zip(old.items(), new.items(), strict=True):
        inner = graft(value, new_value)
        kept = new_key if isinstance(key, str) and key != new_key else key
        changed = changed or inner is not value or kept is not key
        grafted[kept] = inner
    return grafted if changed else old


def _graft_list(old: Any, new: Any) -> Any:
    if not isinstance(new, list) or len(old) != len(new):
        raise RedactionError("an element does not let itself be read twice")
    grafted = [graft(a, b) for a, b in zip(old, new, strict=True)]
    return old if all(a is b for a, b in zip(grafted, old, strict=True)) else grafted
