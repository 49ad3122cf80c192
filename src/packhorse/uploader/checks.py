"""Whether settings have the types that they are declared with: found out at once, not by a thread later on.

Both faces, their options and ``set_limits`` ask here, so that all of them refuse the same values in the same words.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from packhorse.errors import InputError
from packhorse.stores.base import Endpoint
from packhorse.uploader.adaptive import Adaptive

#: Text longer than this is not repeated in a message.
_MOST_SHOWN = 80


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_seconds(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # NaN is not below anything. No lock can wait for longer, and no clock can be added to what is infinite.
    return number and value <= threading.TIMEOUT_MAX


def _is_limit(value: Any) -> bool:
    return _is_count(value) or isinstance(value, Adaptive) or (isinstance(value, str) and value == "adaptive")


def _is_store(value: Any) -> bool:
    return not isinstance(value, type) and all(callable(getattr(value, name, None)) for name in ("put", "put_stream"))


#: By declared type, without ``None``: what is taken, and how a message names it. Every number is one of seconds.
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "int": (_is_count, "a whole number above 0"),
    "float": (_is_seconds, "a finite number of seconds above 0"),
    "bool": (lambda value: isinstance(value, bool), "True or False"),
    "str": (lambda value: isinstance(value, str), "text"),
    "str | Path": (
        lambda value: isinstance(value, (str, os.PathLike)) and isinstance(os.fspath(value), str),
        "a folder as text or Path",
    ),
    "Endpoint": (lambda value: isinstance(value, Endpoint), "a packhorse.Endpoint"),
    "Store": (_is_store, "a store client with put and put_stream"),
    "Limit": (_is_limit, "a number, 'adaptive', or Adaptive(...)"),
}
_OR_NONE = " | None"


def check_fields(settings: Any) -> None:
    """Check every field of a dataclass whose annotations are text against its declaration.

    Raises:
        InputError: The first field of another type, or a number that is not above 0.
    """
    for option in fields(settings):
        check(option.name, getattr(settings, option.name), str(option.type))


def check(name: str, value: Any, declared: str) -> None:
    """Check one setting.

    Args:
        name: What the message calls it.
        value: As given.
        declared: Its annotation, as ``"int | None"``.

    Raises:
        InputError: It is of another type, or a number that is not above 0.
    """
    if value is None and declared.endswith(_OR_NONE):
        return
    fits, words = _KINDS[declared.removesuffix(_OR_NONE)]
    if not fits(value):
        raise InputError(f"{name} is {shown(value)}; give {words}{' or None' if declared.endswith(_OR_NONE) else ''}")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not value > 0:
        raise InputError(f"{name} is {value}; it must be above 0")


def check_deadline(deadline_s: Any) -> None:
    """Check how long a close may take; 0 and less ends at once.

    Raises:
        InputError: Not a finite number of seconds.
    """
    if not _is_seconds(deadline_s):
        raise InputError(f"deadline_s is {shown(deadline_s)}; give a finite number of seconds or None")


def shown(value: Any) -> str:
    """A wrong value for a message: a number or short text as it is, of all else the type, since it may hold secrets."""
    if isinstance(value, (str, bytes)) and len(value) <= _MOST_SHOWN:
        return ascii(value)
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    return f"of type {type(value).__name__}"
