"""Reading JSON back, whatever encoder wrote it.

By the standard library: the fast readers turn integers beyond 64 bits into floats and refuse lone surrogates.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from packhorse.errors import CorruptObjectError


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


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
    except RecursionError:
        raise CorruptObjectError(f"{what}: nested too deeply to be read") from None
    except ValueError as error:
        raise CorruptObjectError(f"{what}: not valid: {error}") from None


def read_json(chunks: Iterable[bytes]) -> Any:
    """Parse a JSON text that comes in chunks. Raises CorruptObjectError as :func:`parse_json`."""
    return parse_json(b"".join(chunks))
