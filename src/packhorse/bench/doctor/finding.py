"""What a check says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. Unknown is not a warning: a reading that a system does not give says nothing about it."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome.

    Attributes:
        check: Its name.
        level: The verdict.
        seen: The reading, in words.
        why: Why it matters for timings or for speed.
        advice: What to do; empty when there is nothing to be done.
    """

    check: str
    level: Level
    seen: str
    why: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {key: str(value) for key, value in asdict(self).items()}


def finding(check: str, why: str, *, bad: bool | None, seen: str, advice: str = "") -> Finding:
    """A finding from a yes, a no, or None for a reading that could not be had. What is good needs no advice."""
    level = Level.UNKNOWN if bad is None else Level.WARNING if bad else Level.OK
    return Finding(check, level, seen, why, "" if level is Level.OK else advice)
