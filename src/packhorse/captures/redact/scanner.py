"""Chooses the scanner: Hyperscan where it is installed, the standard library otherwise. Both find the same.

Scanners are made at the first scan, by the thread that scans, and shared by all redactors with the same rules:
Hyperscan compiles for about half a second, which no caller of ``Redactor(...)`` should wait for.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from importlib.util import find_spec
from typing import Literal

from packhorse.captures.redact.scan_base import Scan
from packhorse.captures.redact.signals import Signal
from packhorse.errors import UnavailableError

ScannerName = Literal["auto", "hyperscan", "plain"]
#: Sets of rules whose scanners are kept. A process has one or two.
_MAX_KEPT = 8
_making = threading.Lock()


def make_scan(signals: tuple[Signal, ...], scanner: ScannerName = "auto") -> Scan:
    """A function from bytes to the names of the signals in them. Nothing is compiled before its first call.

    Raises:
        UnavailableError: Hyperscan is asked for and not installed.
    """
    installed = find_spec("hyperscan") is not None
    if scanner == "hyperscan" and not installed:
        raise UnavailableError("hyperscan is not installed; pip install 'packhorse[redact]'")
    return _Deferred(signals, hyperscan=installed and scanner != "plain")


class _Deferred:
    __slots__ = ("_hyperscan", "_scan", "_signals")

    def __init__(self, signals: tuple[Signal, ...], *, hyperscan: bool) -> None:
        self._signals = signals
        self._hyperscan = hyperscan
        self._scan: Scan | None = None

    def __call__(self, text: bytes, spots: list[int] | None = None) -> frozenset[str]:
        scan = self._scan
        if scan is None:
            # One thread compiles, the others wait for it rather than compile the same.
            with _making:
                scan = self._scan = _shared(self._signals, hyperscan=self._hyperscan)
        return scan(text, spots)


@lru_cache(maxsize=_MAX_KEPT)
def _shared(signals: tuple[Signal, ...], *, hyperscan: bool) -> Scan:
    if hyperscan:
        from packhorse.captures.redact import scan_hyperscan

        return scan_hyperscan.make_scan(signals)
    from packhorse.captures.redact import scan_plain

    return scan_plain.make_scan(signals)
