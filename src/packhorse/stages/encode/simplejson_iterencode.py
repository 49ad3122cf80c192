"""simplejson's iterencode."""

from __future__ import annotations

import simplejson

from packhorse.stages.encode.texts import TextEncoder


def make(*, chunk: int) -> TextEncoder:
    """Make the encoder, with simplejson's additions to JSON (decimals, bytes, named tuples as objects) turned off."""
    encoder = simplejson.JSONEncoder(
        separators=(",", ":"), ignore_nan=True, encoding=None, use_decimal=False, namedtuple_as_object=False
    )
    return TextEncoder(encoder.iterencode, chunk)


def core_version() -> str | None:
    """None: the encoder is simplejson's own code."""
    return None
