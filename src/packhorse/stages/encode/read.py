"""Reading JSON back, whatever encoder wrote it.

By the standard library: the fast readers turn integers beyond 64 bits into floats and refuse lone surrogates.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from packhorse.errors import CorruptObjectError
from packhorse.position import find, show


class _ConstantError(ValueError):
    """NaN or an infinity."""


def _refuse(constant: str) -> NoReturn:
    raise _ConstantError(constant)


def _at(text: str) -> str:
    """Where the first NaN or infinity is, in words: whoever refuses one is not told."""
    found = find(json.loads(text, parse_constant=lambda _: _refuse), lambda value: value is _refuse)
    return "" if found is None else f", at {show(found)}"


def parse_json(data: bytes, what: str = "json") -> Any:
    """Parse one strict JSON text.

    Raises:
        CorruptObjectError: Truncated, damaged, not UTF-8, or nested deeper than Python can follow.
    """
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse)
    except json.JSONDecodeError as error:
        # The error's own text quotes nothing of the content, but its ``doc`` holds all of it: do not chain it.
        raise CorruptObjectError(f"{what}: not valid at character {error.pos}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise CorruptObjectError(f"{what}: not UTF-8 at byte {error.start}") from None
    except _ConstantError as error:
        raise CorruptObjectError(f"{what}: not valid: {error} is not JSON{_at(data.decode())}") from None
    except RecursionError:
        raise CorruptObjectError(f"{what}: nested too deeply to be read") from None
    except ValueError as error:
        raise CorruptObjectError(f"{what}: not valid: {error}") from None


def read_json(chunks: Iterable[bytes]) -> Any:
    """Parse a JSON text that comes in chunks. Raises CorruptObjectError as :func:`parse_json`."""
    return parse_json(b"".join(chunks))
