"""Object keys: fixed at submit, unique, sortable by time, readable by people."""

from __future__ import annotations

import secrets
import time

from packhorse.errors import InputError

#: S3's own limit (user guide, "Naming Amazon S3 objects"), in UTF-8 bytes.
MAX_KEY_BYTES = 1024


def new_key(prefix: str, suffix: str, *, now_s: float | None = None) -> str:
    """A fresh key under ``prefix``: ``prefix/2026/01/31/235959.123-9f86d081884c7d65.json.zst`` (UTC)."""
    now = time.time() if now_s is None else now_s
    stamp = time.strftime("%Y/%m/%d/%H%M%S", time.gmtime(now))
    name = f"{stamp}.{int(now * 1000) % 1000:03d}-{secrets.token_hex(8)}{suffix}"
    return f"{prefix}/{name}" if prefix else name


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
