"""Chooses the scanner: the compiled one where it is built, else Hyperscan where it is installed, else a literal finder.

All lead to the same. A scanner is made when the first text is scanned and shared by all redactors with the same rules.
That takes 30 to 70 ms, several times that with Hyperscan, once per process. Whoever comes meanwhile waits for it: a new
redactor finds what an old one does.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Literal, Protocol

from packhorse.errors import UnavailableError
from packhorse.forks import renew_in_child
from packhorse.real_threads import make_rlock
from packhorse.redact import scan_native
from packhorse.redact.native import native
from packhorse.redact.patterns import Pattern

ScannerName = Literal["auto", "hyperscan", "plain"]
#: Sets of rules whose scanners are kept. A process has one or two.
_MAX_KEPT = 8
_HYPERSCAN, _PLAIN = "packhorse.redact.scan_hyperscan", "packhorse.redact.scan_plain"


class Scan(Protocol):
    """Finds patterns in a text. Thread-safe."""

    def hits(self, data: bytes, start: int, stop: int) -> Iterator[list[int]]:
        """What was found between two places, in order, piece by piece: where a match ends, and its pattern's number.

        One number holds both, the latter in the last ``NUMBER_BITS``: there are thousands in a capture, and numbers are
        nothing that the garbage collector would look at.
        """
        ...

    def only_base64(self, text: memoryview) -> bool:
        """Whether a text holds nothing but the characters of base64."""
        ...


class Scanners:
    """A scanner that is made when it is needed.

    Raises:
        UnavailableError: Hyperscan is asked for and not installed.
    """

    def __init__(self, scanner: ScannerName) -> None:
        installed = find_spec("pyperscan") is not None
        if scanner == "hyperscan" and not installed:
            raise UnavailableError("pyperscan is not installed; pip install 'packhorse[redact]'")
        # Now: a child that is forked during another thread's import could never import it.
        self._home = import_module(_HYPERSCAN if installed and scanner != "plain" else _PLAIN)
        self._compiled = scanner == "auto" and native is not None
        self._scan: Scan | None = None

    def of(self, patterns: tuple[Pattern, ...]) -> Scan:
        """The scanner for these patterns."""
        if self._scan is None:
            compiled = self._compiled and scan_native.can_find(patterns)
            self._scan = _shared(patterns, scan_native if compiled else self._home)
        return self._scan


_ready: dict[tuple[tuple[Pattern, ...], str], Scan] = {}
_making: list[Any] = [make_rlock()]


def _shared(patterns: tuple[Pattern, ...], home: ModuleType) -> Scan:
    key = (patterns, home.__name__)
    with _making[0]:
        if key not in _ready:
            scan: Scan = home.Scanner(patterns)
            if len(_ready) >= _MAX_KEPT:
                del _ready[next(iter(_ready))]
            _ready[key] = scan
        return _ready[key]


def _in_child() -> None:
    _making[0] = make_rlock()  # whoever held it is not there any more


renew_in_child(_in_child)
