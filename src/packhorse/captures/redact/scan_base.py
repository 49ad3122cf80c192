"""What a scanner is."""

from __future__ import annotations

from typing import Protocol


class Scan(Protocol):
    """Finds the signals in a text. Thread-safe."""

    def __call__(self, text: bytes, spots: list[int] | None = None) -> frozenset[str]:
        """Names of the signals in UTF-8 text; empty when there are none.

        Args:
            text: What is scanned.
            spots: When given, receives the byte offset just behind every secret name, in no particular order.
        """
        ...
