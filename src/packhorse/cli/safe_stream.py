"""Consoles and streams that outlast their reader: what is written once it has gone goes nowhere and raises nothing."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import IO, Any, cast

from rich.console import Console


def silence(descriptor: int) -> None:
    """Let what goes to ``descriptor`` go nowhere.

    Also what is still buffered for it: Python would fail on that at its end, with an exit status of its own.
    """
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, descriptor)
        finally:
            os.close(nowhere)


class Lasting:
    """A text stream that goes nowhere from its first failed write on: a closed pipe, or a terminal that has gone."""

    def __init__(self, stream: IO[str] | None) -> None:
        """Around a stream of this process, or around None, which Python has for one that was closed from the start."""
        self._stream = stream

    def write(self, text: str) -> int:
        """As the stream's own; always all of ``text``."""
        if self._stream is None:
            return len(text)
        try:
            self._stream.write(text)
        except OSError:
            silence(self._stream.fileno())
        return len(text)

    def flush(self) -> None:
        """As the stream's own."""
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except OSError:
            silence(self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def lasting_console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr. Rich's own ends the process when its pipe is closed, with exit status 1."""
    return plain_console(file=cast("IO[str]", Lasting(sys.stderr if stderr else sys.stdout)))


def plain_console(**settings: Any) -> Console:
    """A console that prints text as it is: rich would take ``[race]`` for markup, and colour numbers and paths."""
    return Console(markup=False, emoji=False, highlight=False, **settings)
