"""Object keys: fixed at submit, unique, sortable by time, readable by people."""

from __future__ import annotations

import os
import time
from functools import lru_cache

from packhorse.errors import InputError

#: S3's own limit (user guide, "Naming Amazon S3 objects"), in UTF-8 bytes.
MAX_KEY_BYTES = 1024
#: Random bytes in a key, and for how many keys they are fetched at once: each fetch gives up the GIL, and whoever gives
#: it up in the submitter's thread may have to wait milliseconds behind an encoder until it comes back.
_RANDOM_BYTES = 8
_FETCHED_KEYS = 1024

_random: list[str] = []


def new_key(prefix: str, suffix: str, *, now_s: float | None = None) -> str:
    """A fresh key under ``prefix``: ``prefix/2026/01/31/235959.123-9f86d081884c7d65.json.zst`` (UTC)."""
    now = time.time() if now_s is None else now_s
    name = f"{_stamp(int(now))}.{int(now * 1000) % 1000:03d}-{_fresh_random()}{suffix}"
    return f"{prefix}/{name}" if prefix else name


@lru_cache(maxsize=2)
def _stamp(second: int) -> str:
    """Date and time of a second since the epoch."""
    return time.strftime("%Y/%m/%d/%H%M%S", time.gmtime(second))


def _fresh_random() -> str:
    """Hexadecimal digits from the system's source of randomness that nobody else gets. Thread-safe without a lock."""
    while True:
        try:
            return _random.pop()
        except IndexError:
            digits = os.urandom(_RANDOM_BYTES * _FETCHED_KEYS).hex()
            width = 2 * _RANDOM_BYTES
            _random.extend([digits[at : at + width] for at in range(0, len(digits), width)])


# A child would otherwise give out the same ones as its parent.
os.register_at_fork(after_in_child=_random.clear)


def checked_key(key: str) -> str:
    """``key`` when S3 and every tool after it can carry it.

    Raises:
        InputError: Empty, longer than 1024 bytes, a control character, a lone surrogate, or a ``.`` or ``..`` segment
            (many tools resolve those, so that two keys would become one file).
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise InputError("the key holds a lone surrogate, which no S3 request can carry") from error
    if not 1 <= size <= MAX_KEY_BYTES:
        raise InputError(f"the key has {size} bytes; S3 takes 1 to {MAX_KEY_BYTES}")
    if any(ord(character) < 32 or ord(character) == 127 for character in key):
        raise InputError("the key holds a control character")
    if any(segment in {".", ".."} for segment in key.split("/")):
        raise InputError("the key has a '.' or '..' segment")
    return key
