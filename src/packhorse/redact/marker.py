"""What stands in place of a secret: a short keyed digest. Equal secrets stay visibly equal; nothing else shows."""

from __future__ import annotations

import secrets
import weakref
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b

from packhorse.errors import InputError
from packhorse.forks import renew_in_child
from packhorse.real_threads import make_rlock

_PREFIX = "[redacted:"
_DIGEST_BYTES = 4
_LENGTH = len(_PREFIX) + 2 * _DIGEST_BYTES + 1
_HEX = frozenset("0123456789abcdef")


def is_marker(text: str) -> bool:
    """Whether the text is a marker and nothing else: it is then left alone, so that redacting twice changes nothing."""
    return (
        len(text) == _LENGTH
        and text.startswith(_PREFIX)
        and text[-1] == "]"
        and _HEX.issuperset(text[len(_PREFIX) : -1])
    )


_markers: weakref.WeakSet[Marker] = weakref.WeakSet()


class Marker:
    """Makes markers and counts them by rule. Thread-safe.

    Args:
        key: 1 to 64 bytes. With the same key the same secret gives the same marker in every process; None takes a
            random one, so that markers can be compared within this object's life only.

    Raises:
        InputError: The key is empty or longer than 64 bytes.
    """

    def __init__(self, key: bytes | None = None) -> None:
        if key is not None and not 1 <= len(key) <= 64:
            raise InputError(f"key has {len(key)} bytes; give 1 to 64")
        key = secrets.token_bytes(32) if key is None else key
        self._keyed = blake2b(digest_size=_DIGEST_BYTES, key=key)
        self._counts: Counter[str] = Counter()
        self.renew()
        _markers.add(self)

    def renew(self) -> None:
        """Make the lock afresh: in a forked child, whoever held it is not there any more."""
        self._lock = make_rlock()  # re-entrant: a signal handler may ask for the counts wherever we are

    def marker(self, secret: str | bytes) -> bytes:
        """The marker for a secret, as text or as UTF-8; not counted.

        Eight hexadecimal digits of keyed BLAKE2b (RFC 7693): 32 bits, too few to search for a secret by.
        """
        digest = self._keyed.copy()  # half the time of keying a new one
        digest.update(secret if isinstance(secret, bytes) else secret.encode("utf-8", "surrogatepass"))
        return b"[redacted:%b]" % digest.hexdigest().encode()

    def count(self, counts: Mapping[str, int]) -> None:
        """Add to how many values were replaced, by rule."""
        if counts:
            with self._lock:
                self._counts.update(counts)

    def counts(self) -> dict[str, int]:
        """How many values were replaced, by rule."""
        with self._lock:
            return dict(sorted(self._counts.items()))


def _in_child() -> None:
    for marker in list(_markers):
        marker.renew()


renew_in_child(_in_child)
