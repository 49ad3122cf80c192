"""Chooses the scanner: Hyperscan where it is installed, the standard library otherwise. Both find the same."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from packhorse.captures.redact import scan_plain
from packhorse.captures.redact.scan_base import Scan
from packhorse.captures.redact.signals import Signal
from packhorse.errors import UnavailableError

ScannerName = Literal["auto", "hyperscan", "plain"]


def make_scan(signals: tuple[Signal, ...], scanner: ScannerName = "auto") -> Scan:
    """A function from bytes to the names of the signals in them.

    Raises:
        UnavailableError: Hyperscan is asked for and not installed.
    """
    installed = find_spec("hyperscan") is not None
    if scanner == "hyperscan" and not installed:
        raise UnavailableError("hyperscan is not installed; pip install 'packhorse[redact]'")
    if scanner == "plain" or not installed:
        return scan_plain.make_scan(signals)
    from packhorse.captures.redact import scan_hyperscan

    return scan_hyperscan.make_scan(signals)
