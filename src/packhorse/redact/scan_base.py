"""What a scanner is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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


class Scanner(Scan, Protocol):
    """A scan that may take its time to be ready."""

    def suspects(self, text: bytes) -> frozenset[str]:
        """As the call, without waiting until it is ready: names of more signals than there are, but never of fewer."""
        ...

    def suspected(self, texts: Sequence[bytes]) -> Collection[int]:
        """Numbers of the texts in which :meth:`suspects` finds something, or of more than these: one scan for all."""
        ...
