"""Base64 of the standard library."""

from __future__ import annotations

import binascii

from packhorse.stages.base64.carry import Base64


def _encode(data: bytes | memoryview) -> bytes:
    return binascii.b2a_base64(data, newline=False)


def _decode(data: bytes) -> bytes:
    return binascii.a2b_base64(data, strict_mode=True)


def make() -> Base64:
    """Make the transform."""
    return Base64(_encode, _decode)


def core_version() -> str | None:
    """None: it is part of Python."""
    return None
