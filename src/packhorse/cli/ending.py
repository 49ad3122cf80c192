"""Ending a command from outside: SIGTERM is taken for Ctrl-C, so that what was measured is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def ends_on_sigterm(second: signal.Handlers = signal.SIG_DFL) -> Iterator[None]:
    """Raise KeyboardInterrupt on the first SIGTERM inside.

    Outside the main thread, where signals cannot be handled, nothing changes.

    Args:
        second: What a second one does: ends the process as usual, or, with ``SIG_IGN``, cannot stop the clearing up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, second)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
