"""CRC-32 as gzip and S3 have it, by the fastest code that is installed.

Measured on a server core: 0.02 ms a MB with isal or zlib-ng, 0.2 ms with zlib alone, where SHA-256 takes 0.55 ms
(docs/decisions/0011-checksums.md).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

_HOMES = ("isal.isal_zlib", "zlib_ng.zlib_ng", "zlib")


def crc32(data: Any, value: int = 0) -> int:
    """CRC-32 of ``data`` (bytes-like), going on from ``value``."""
    return _fastest()(data, value)


@cache
def _fastest() -> Callable[[Any, int], int]:
    for home in _HOMES:
        try:
            found: Callable[[Any, int], int] = import_module(home).crc32
        except ImportError:
            continue
        return found
    raise AssertionError("zlib is part of Python")


def written(value: int) -> str:
    """As it stands in metadata and receipts: eight hex digits."""
    return f"{value:08x}"
