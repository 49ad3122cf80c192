"""What is odd in a capture, gathered while it is read: one line per kind of oddity, however often it occurs."""

from __future__ import annotations


class Notes:
    """Oddities with their count and first place. Kinds are a handful, so memory does not grow with the capture."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, where: str = "") -> None:
        """Count one more of ``kind``; ``where`` (``byte 12``, ``entry 7``) is kept for the first one only."""
        count, first = self._seen.get(kind, (0, where))
        self._seen[kind] = (count + 1, first)

    def texts(self) -> tuple[str, ...]:
        """One line per kind, in the order of first occurrence."""
        return tuple(_line(kind, count, where) for kind, (count, where) in self._seen.items())


def _line(kind: str, count: int, where: str) -> str:
    if not where:
        return kind
    return f"{kind} ({where})" if count == 1 else f"{kind} ({count} times, first at {where})"
