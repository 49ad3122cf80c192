"""python-rapidjson, the whole capture in one call."""

from __future__ import annotations

from typing import Any

import rapidjson

from packhorse.stages.encode.plain import WholeEncoder

#: Only what JSON has: no generators, no bytes, no NaN (the standard library then writes ``null``).
STRICT: dict[str, Any] = {
    "number_mode": rapidjson.NM_NONE,
    "bytes_mode": rapidjson.BM_NONE,
    "iterable_mode": rapidjson.IM_ONLY_LISTS,
    "mapping_mode": rapidjson.MM_ONLY_DICTS,
}


def _dumps(value: Any) -> bytes:
    return str(rapidjson.dumps(value, allow_nan=False, **STRICT)).encode("ascii")


def make(*, chunk: int) -> WholeEncoder:
    """Make the encoder."""
    return WholeEncoder(_dumps, chunk)


def core_version() -> str | None:
    """Version of the C++ library."""
    return str(rapidjson.__rapidjson_version__)
