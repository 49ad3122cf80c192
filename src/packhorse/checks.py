"""Whether settings have the types that they are declared with: found out where they are given, not by a thread later.

Everything that is refused, is refused in the same words: the name, what was given, what to give.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from packhorse.errors import InputError

#: What is taken, and how a message names it.
Kind = tuple[Callable[[Any], bool], str]

#: Text longer than this is not repeated in a message.
_MOST_SHOWN = 80
_OR_NONE = " | None"


def is_count(value: Any) -> bool:
    """True for a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_seconds(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # NaN is nowhere between. No lock can wait for longer, and no clock can be added to what is infinite.
    return number and -threading.TIMEOUT_MAX <= value <= threading.TIMEOUT_MAX


def is_path(value: Any) -> bool:
    """True for text or a ``Path`` that can name a file: not empty, without NUL, with a form in bytes."""
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str):
        return False
    try:
        return bool(text) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # a lone surrogate
        return False


#: By declared type, without ``None``. Every ``float`` is one of seconds, and every number is above 0.
KINDS: Mapping[str, Kind] = {
    "int": (is_count, "a whole number above 0"),
    "float": (_is_seconds, "a finite number of seconds above 0"),
    "bool": (lambda value: isinstance(value, bool), "True or False"),
    "str": (lambda value: isinstance(value, str), "text"),
}


def check_fields(settings: Any, kinds: Mapping[str, Kind] = KINDS) -> None:
    """Check every field of a dataclass whose annotations are text against its declaration.

    Raises:
        InputError: The first field of another type, or a number that is not above 0.
    """
    for option in fields(settings):
        check(option.name, getattr(settings, option.name), str(option.type), kinds, secret=not option.repr)


def check(name: str, value: Any, declared: str, kinds: Mapping[str, Kind] = KINDS, *, secret: bool = False) -> None:
    """Check one setting.

    Args:
        name: What the message calls it.
        value: As given.
        declared: Its annotation, as ``"int | None"``.
        kinds: What the types in annotations take.
        secret: The value itself is not shown.

    Raises:
        InputError: It is of another type, or a number that is not above 0.
    """
    if value is None and declared.endswith(_OR_NONE):
        return
    fits, words = kinds[declared.removesuffix(_OR_NONE)]
    if not fits(value):
        given = _type(value) if secret else shown(value)
        raise InputError(f"{name} is {given}; give {words}{' or None' if declared.endswith(_OR_NONE) else ''}")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not value > 0:
        raise InputError(f"{name} is {value}; it must be above 0")


def check_wait(name: str, seconds: Any) -> None:
    """Check how long something may take at the most: None waits as long as it takes, 0 and less do not wait.

    Below 0 is what is left of a deadline that has passed, and no mistake.

    Raises:
        InputError: Not a finite number of seconds.
    """
    if seconds is None:
        return
    if not _is_seconds(seconds):
        raise InputError(f"{name} is {shown(seconds)}; give a finite number of seconds or None")


def shown(value: Any) -> str:
    """A wrong value for a message: a number or short text with its type, of all else the type; it may hold secrets."""
    if value is None:
        return "None"
    if (isinstance(value, (str, bytes)) and len(value) <= _MOST_SHOWN) or isinstance(value, (bool, float)):
        return f"{value!a} ({type(value).__name__})"
    return _type(value)


def _type(value: Any) -> str:
    return f"of type {type(value).__name__}"
