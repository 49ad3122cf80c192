"""Ending a command from outside: SIGTERM and SIGHUP are taken for Ctrl-C, so that what was measured is kept."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from packhorse.cli.safe_stream import silence

#: A closed terminal sends its own signal, which Windows does not have.
_HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)


@dataclass(slots=True)
class Ending:
    """What ended a command.

    Attributes:
        number: The signal that :func:`ends_on_signals` took for Ctrl-C; Ctrl-C's own as long as none came.
    """

    number: int = signal.SIGINT

    @property
    def status(self) -> int:
        """What shells and supervisors expect of a program that the signal ended."""
        return 128 + self.number


@contextmanager
def ends_on_signals(second: signal.Handlers = signal.SIG_DFL) -> Iterator[Ending]:
    """Raise KeyboardInterrupt on the first SIGTERM or SIGHUP inside.

    What is written to a terminal that has gone is dropped: it must not keep a record from being written. A signal that
    is ignored (SIGHUP under ``nohup``) stays so. Outside the main thread, where signals cannot be handled, nothing
    changes.

    Args:
        second: What a second SIGTERM does: ends the process as usual, or, with ``SIG_IGN``, cannot stop the clearing
            up. A second SIGHUP is never heeded: a shell that goes sends one beside the terminal's own.

    Yields:
        Which signal it was.
    """
    ending = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    terminals = [stream for stream in (1, 2) if _is_terminal(stream)]

    def end(number: int, _: object) -> NoReturn:
        ending.number = number
        signal.signal(signal.SIGTERM, second)
        if _HANGUP is not None:
            signal.signal(_HANGUP, signal.SIG_IGN)
        for stream in terminals:
            if not _is_terminal(stream):
                silence(stream)
        raise KeyboardInterrupt

    taken = [one for one in (signal.SIGTERM, _HANGUP) if one is not None and signal.getsignal(one) != signal.SIG_IGN]
    before = {one: signal.signal(one, end) for one in taken}
    try:
        yield ending
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _is_terminal(stream: int) -> bool:
    """Whether the descriptor leads to a terminal that is still there."""
    try:
        return os.isatty(stream)
    except OSError:
        return False


@contextmanager
def interrupt_held_back() -> Iterator[None]:
    """Have Ctrl-C, and each signal that is taken for it, wait until the block has ended; a second Ctrl-C does not wait.

    A second SIGTERM or SIGHUP waits, too: ``timeout`` and shells that go send theirs twice, and mean it once. Outside
    the main thread, where nothing is ever raised, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _: object) -> None:
        if came and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(number)

    ending = [one for one in (signal.SIGINT, signal.SIGTERM, _HANGUP) if one is not None]
    before = {one: signal.signal(one, note) for one in ending if callable(signal.getsignal(one))}
    try:
        yield
    finally:
        for one, handler in reversed(before.items()):  # Ctrl-C's last: it may come before the others are back
            signal.signal(one, handler)
    if came:
        signal.raise_signal(came[0])
