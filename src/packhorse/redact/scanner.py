"""Chooses the scanner: Hyperscan where it is installed, the standard library otherwise. Both find the same.

Scanners are made when the first text is scanned and shared by all redactors with the same rules. That takes about 150
ms for either, which neither a caller of ``Redactor(...)`` nor a process's first captures should wait for: it happens in
a thread of its own, and meanwhile every rule is run on every text, which costs more and removes the same.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Collection, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import accumulate
from typing import Any, ClassVar, Literal

from packhorse.errors import UnavailableError
from packhorse.forks import renew_in_child
from packhorse.real_threads import make_rlock, start_thread
from packhorse.redact.scan_base import Scan, Scanner
from packhorse.redact.signals import NAME, Signal
from packhorse.units import KIB

ScannerName = Literal["auto", "hyperscan", "plain"]
#: Sets of rules whose scanners are kept. A process has one or two.
_MAX_KEPT = 8
#: Bytes of text that may be checked by every rule while the scanner is made; whoever has more waits for the scanner. A
#: capture's texts come up several times on their way, 5 to 9 times its size in all, at about 10 MB/s: this is a capture
#: of 100 KB and 50 ms, a third of the time that the scanner takes.
GUESSED_BYTES = 512 * KIB
#: Signals of which a scan tells where they are.
_LOCATED = frozenset({NAME})
_HOMES = {True: "packhorse.redact.scan_hyperscan", False: "packhorse.redact.scan_plain"}


def make_scan(signals: tuple[Signal, ...], scanner: ScannerName = "auto") -> Scanner:
    """A function from bytes to the names of the signals in them. Nothing is compiled before its first call.

    Raises:
        UnavailableError: Hyperscan is asked for and not installed.
    """
    installed = find_spec("hyperscan") is not None
    if scanner == "hyperscan" and not installed:
        raise UnavailableError("hyperscan is not installed; pip install 'packhorse[redact]'")
    hyperscan = installed and scanner != "plain"
    import_module(_HOMES[hyperscan])  # now: a child that is forked during another thread's import could never import it
    return Deferred(signals, hyperscan=hyperscan)


class Deferred:
    """A scanner that is made when it is needed. Thread-safe."""

    #: Held while a scanner is made.
    making: ClassVar[Any] = make_rlock()

    __slots__ = ("_all", "_guessed_bytes", "_hyperscan", "_maker", "_scan", "_signals")

    def __init__(self, signals: tuple[Signal, ...], *, hyperscan: bool) -> None:
        self._signals = signals
        self._hyperscan = hyperscan
        self._all = frozenset(signal.name for signal in signals)
        self._scan: Scan | None = None
        self._guessed_bytes = 0
        self._maker: int | None = None

    def __call__(self, text: bytes, spots: list[int] | None = None) -> frozenset[str]:
        """As :class:`Scan`; waits until the scanner is made."""
        return (self._scan or self._made())(text, spots)

    def suspects(self, text: bytes) -> frozenset[str]:
        """As :class:`Scanner`."""
        return self._all if self._guesses(len(text)) else self(text)

    def suspected(self, texts: Sequence[bytes]) -> Collection[int]:
        """As :class:`Scanner`.

        What follows a text can only make it look more suspicious: no pattern asks that nothing follows, what is looked
        at behind a match (which may be past the line end) never speaks against it, and the line end between two texts
        is one of the characters that every pattern accepts before its match and none within it.
        """
        if len(texts) < 2:
            return range(len(texts)) if texts and self.suspects(texts[0]) else ()
        joined = b"\n".join(texts)
        if self._guesses(len(joined)):
            return range(len(texts))
        spots: list[int] = []
        names = self(joined, spots)
        if names <= _LOCATED:
            ends = list(accumulate(len(text) + 1 for text in texts))
            return {bisect_right(ends, spot - 1) for spot in spots}
        # Of other signals, which are rare, a scan does not tell where they are.
        return {number for number, text in enumerate(texts) if self(text)}

    def _guesses(self, size_bytes: int) -> bool:
        """Whether so much more may be taken for suspicious while the scanner is made."""
        if self._scan is None and not self._guessed_bytes:
            self._scan = _ready.get((self._signals, self._hyperscan))
        if self._scan is not None:
            return False
        self._guessed_bytes += size_bytes
        return self._guessed_bytes <= GUESSED_BYTES and self._begin()

    def _made(self) -> Scan:
        # One thread makes it, the others wait for it rather than make the same.
        with Deferred.making:
            self._scan = _shared(self._signals, hyperscan=self._hyperscan)
        return self._scan

    def _begin(self) -> bool:
        """Have it made by another thread, once per process; False when there can be none."""
        if self._maker != os.getpid():
            with Deferred.making:
                if self._maker != os.getpid():
                    try:
                        # No daemon: an interpreter that ends while a library compiles would break off its work.
                        start_thread(self._make, "packhorse-redact", daemon=False)
                    except RuntimeError:
                        return False
                    self._maker = os.getpid()
        return True

    def _make(self) -> None:
        try:
            self._made()
        except Exception:  # noqa: BLE001  # whoever needs it meets it again, and is told
            self._guessed_bytes = GUESSED_BYTES


_ready: dict[tuple[tuple[Signal, ...], bool], Scan] = {}


def _shared(signals: tuple[Signal, ...], *, hyperscan: bool) -> Scan:
    """Called by one thread at a time."""
    key = (signals, hyperscan)
    if key not in _ready:
        scan = import_module(_HOMES[hyperscan]).make_scan(signals)
        if len(_ready) >= _MAX_KEPT:
            del _ready[next(iter(_ready))]
        _ready[key] = scan
    return _ready[key]


def _in_child() -> None:
    Deferred.making = make_rlock()  # whoever held it is not there any more


renew_in_child(_in_child)
