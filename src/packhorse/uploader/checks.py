"""What the types of an uploader's settings take (:mod:`packhorse.checks`).

Both faces, their options and ``set_limits`` ask here, so that all of them refuse the same values in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packhorse import checks
from packhorse.checks import KINDS, Kind, check_wait, is_count, is_path, shown
from packhorse.errors import InputError
from packhorse.stores.base import Endpoint
from packhorse.uploader.adaptive import Adaptive

__all__ = ["check", "check_deadline", "check_fields", "check_wait", "shown"]


def _is_limit(value: Any) -> bool:
    return is_count(value) or isinstance(value, Adaptive) or (isinstance(value, str) and value == "adaptive")


def _is_store(value: Any) -> bool:
    return not isinstance(value, type) and all(callable(getattr(value, name, None)) for name in ("put", "put_stream"))


_KINDS: Mapping[str, Kind] = {
    **KINDS,
    "str | Path": (is_path, "a folder as text or Path"),
    "Endpoint": (lambda value: isinstance(value, Endpoint), "a packhorse.Endpoint"),
    "Store": (_is_store, "a store client with put and put_stream"),
    "Limit": (_is_limit, "a number, 'adaptive', or Adaptive(...)"),
}


def check_fields(settings: Any) -> None:
    """As :func:`packhorse.checks.check_fields`. Raises InputError."""
    checks.check_fields(settings, _KINDS)


def check(name: str, value: Any, declared: str) -> None:
    """As :func:`packhorse.checks.check`. Raises InputError."""
    checks.check(name, value, declared, _KINDS)


def check_deadline(deadline_s: Any) -> None:
    """Check how long a close may take; 0 and less end at once.

    Raises:
        InputError: Not a finite number of seconds.
    """
    if deadline_s is None:
        raise InputError("deadline_s is None; give a finite number of seconds")
    check_wait("deadline_s", deadline_s)
