"""Bytes and seconds, written for people and read back from settings. MiB is not MB, and both are understood."""

from __future__ import annotations

import re

from packhorse.errors import InputError

KIB = 1024
MIB = 1024 * KIB

_FACTORS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": KIB,
    "mib": MIB,
    "gib": 1024 * MIB,
}
_BYTES_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?i?b?)\s*", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """Read ``256KiB``, ``8MiB``, ``1.5MB`` or ``4096`` as a number of bytes.

    Raises:
        InputError: The text is not a size.
    """
    match = _BYTES_TEXT.fullmatch(text)
    factor = _FACTORS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise InputError(f"{text!r} is not a size; write for example 262144, 256KiB or 8MiB")
    return int(float(match[1]) * factor)


def exact_bytes(count: int) -> str:
    """The shortest text that :func:`parse_bytes` reads back as exactly ``count`` bytes (``262144`` → ``256KiB``)."""
    for suffix, factor in (("GiB", 1024 * MIB), ("MiB", MIB), ("KiB", KIB)):
        if count and count % factor == 0:
            return f"{count // factor}{suffix}"
    return str(count)


def format_bytes(count: float) -> str:
    """``count`` bytes for people, decimal units, three significant digits (``1.13 MB``)."""
    value = float(count)
    for suffix in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.5 or suffix == "GB":
            return f"{value:.0f} {suffix}" if suffix == "B" else f"{value:.3g} {suffix}"
        value /= 1000
    raise AssertionError("unreachable")


def format_s(seconds: float) -> str:
    """``seconds`` for people, three significant digits (``4.21 ms``, ``2 min 05 s``)."""
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    for suffix, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {suffix}"
    return f"{seconds * 1e9:.3g} ns"
