"""orjson, the whole capture in one call."""

from __future__ import annotations

from typing import Any

import orjson

from packhorse.stages.encode.plain import WholeEncoder

#: Dates and dataclasses are not JSON: the other encoders refuse them too.
OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def dumps(value: Any) -> bytes:
    """Encode one value; raises TypeError for what orjson refuses."""
    return orjson.dumps(value, None, OPTIONS)


def make(*, chunk: int) -> WholeEncoder:
    """Make the encoder."""
    return WholeEncoder(dumps, chunk)


def core_version() -> str | None:
    """None: the encoder is orjson's own Rust code."""
    return None
