"""Object keys: fixed at submit, unique, sortable by time, readable by people."""

from __future__ import annotations

import os
import time
from functools import lru_cache

from packhorse.errors import InputError
from packhorse.forks import renew_in_child
from packhorse.stores.url import check_key
from packhorse.uploader.options import shown

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
renew_in_child(_random.clear)


def checked_key(key: str) -> str:
    """``key`` when every store carries it under exactly this name: found out at submit, not at the PUT.

    Raises:
        InputError: Not text, or what :func:`packhorse.stores.url.check_key` refuses.
    """
    if not isinstance(key, str):
        raise InputError(f"key is {shown(key)}; give an object key as text, or None for a fresh one")
    return check_key(key)
