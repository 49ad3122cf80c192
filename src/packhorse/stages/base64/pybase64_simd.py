"""Base64 through pybase64 (libbase64, SIMD)."""

from __future__ import annotations

import pybase64

from packhorse.stages.base64.carry import Base64


def _decode(data: bytes) -> bytes:
    return pybase64.b64decode(data, validate=True)


def make() -> Base64:
    """Make the transform."""
    return Base64(pybase64.b64encode, _decode)


def core_version() -> str | None:
    """The instruction set that was chosen here; the binding does not tell libbase64's version apart from its own."""
    return str(pybase64.get_version()).partition("(")[2].rstrip(")") or None
