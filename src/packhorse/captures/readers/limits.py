"""Bounds of the reader, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from packhorse.errors import InputError
from packhorse.units import KIB, MIB

#: Bytes per read of a file. ijson, the scanner and the slicer each hold about one of these beside the entry at hand.
READ_BYTES = 256 * KIB
#: The most that ``max_depth`` may be: Python's recursion limit; and ijson keeps each level's whole path, so its memory
#: grows with the square of the depth (2 MB here, tens of GB at a depth of 100,000).
MAX_DEPTH = 1000


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a capture may be, at most. Everything beyond is refused with an error, never cut.

    Attributes:
        max_expanded_bytes: Size of a compressed (or non-seekable) capture once it is expanded. 4 GiB: forty times the
            largest captures that are met, and little enough for any disk.
        max_string_bytes: One JSON string, escapes included. It is held whole while it is parsed, up to four times.
        max_entry_bytes: One entry, and also the outline, which are both held whole.
        max_depth: Nesting. Real captures reach 20; C parsers and encoders recurse, and Python's own limit is 1000.
        allow_nan: Read ``NaN``, ``Infinity`` and ``-Infinity`` as ``json.loads`` does. They are not JSON, most encoders
            refuse them and some write ``null`` instead, so by default they are an error.
    """

    max_expanded_bytes: int = 4096 * MIB
    max_string_bytes: int = 256 * MIB
    max_entry_bytes: int = 1024 * MIB
    max_depth: int = 512
    allow_nan: bool = False

    def __post_init__(self) -> None:
        """Refuse limits that the parsers under it cannot keep.

        Raises:
            InputError: ``max_depth`` is over :data:`MAX_DEPTH`, or a limit is below 1.
        """
        if self.max_depth > MAX_DEPTH:
            raise InputError(
                f"max_depth {self.max_depth} is over {MAX_DEPTH}, beyond which parsers exhaust stack or memory"
            )
        for name in ("max_expanded_bytes", "max_string_bytes", "max_entry_bytes", "max_depth"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} is below 1")


DEFAULT_LIMITS = ReadLimits()
