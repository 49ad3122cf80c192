"""Ending well when a supervisor says so: close first, then let the signal do what it would have done."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import Any

from packhorse.errors import InputError
from packhorse.real_threads import start_new_thread
from packhorse.uploader.endings import end_by
from packhorse.uploader.face import Face


def close_on_signal(
    *uploaders: Face, signals: Sequence[signal.Signals] = (signal.SIGTERM,), deadline_s: float | None = None
) -> None:
    """Close the uploaders when one of ``signals`` comes, then raise it again for the handler that was there before.

    A process without another handler ends by the signal, as supervisors expect (status -15 for SIGTERM), with the
    captures uploaded or spooled within the deadline. PID 1 of a container, which the kernel spares a signal without a
    handler, exits with the status that shells show for it (143 for SIGTERM). Meanwhile ``submit`` raises
    UploaderClosed. A second signal is not held up any more.

    Args:
        *uploaders: They share the deadline.
        signals: On which signals.
        deadline_s: Seconds for all of them; None takes each uploader's option ``close_deadline_s``.

    Raises:
        InputError: Not called in the main thread, where alone Python lets handlers be set.
    """
    previous: dict[int, Any] = {}
    engines = [uploader._engine for uploader in uploaders]

    def close(number: int) -> None:
        end_s = None if deadline_s is None else time.monotonic() + deadline_s
        for engine in engines:
            own_s = engine.options.close_deadline_s
            engine.close(own_s if end_s is None else max(0.0, end_s - time.monotonic()))
        end_by(number)

    def handle(number: int, _: FrameType | None) -> None:
        for other, handler in previous.items():
            signal.signal(other, handler)
        # Not here: the main thread may hold any lock at this moment. And not by threading, which has locks of its own.
        start_new_thread(partial(close, number))

    try:
        for number in signals:
            previous[number] = signal.signal(number, handle)
    except ValueError:
        raise InputError(
            "close_on_signal was called outside the main thread; call it where the program starts"
        ) from None
