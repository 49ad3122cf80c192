"""simplejson's iterencode, entry by entry.

With its C speedups, ``iterencode`` yields one text for all that it is given: over a whole capture it would not stream.
"""

from __future__ import annotations

from typing import Any

import simplejson

from packhorse.stages.encode.entries import JsonEntryEncoder

#: simplejson's additions to JSON (decimals, bytes, named tuples as objects) are turned off.
_ENCODER = simplejson.JSONEncoder(
    separators=(",", ":"), ignore_nan=True, encoding=None, use_decimal=False, namedtuple_as_object=False
)


def _dumps(value: Any) -> bytes:
    return "".join(_ENCODER.iterencode(value)).encode("ascii")


def make(*, chunk: int) -> JsonEntryEncoder:
    """Make the encoder."""
    return JsonEntryEncoder(_dumps, chunk)


def core_version() -> str | None:
    """None: the encoder is simplejson's own code."""
    return None
