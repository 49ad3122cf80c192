"""Let a producer of chunks run ahead of its consumer in a thread, with a bound on how far."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

#: Seconds that closing a stream waits for a source that is in the middle of a chunk.
STUCK_S = 1.0


class _Handover:
    """A bounded hand-over between one producing thread and one consumer, either of which may stop early."""

    def __init__(self, source: Iterator[bytes], depth: int) -> None:
        self._source = source
        self._depth = depth
        self._ready: deque[bytes] = deque()
        self._state = threading.Condition()
        self._finished = False
        self._abandoned = False
        self._error: BaseException | None = None

    def produce(self) -> None:
        """Run in the producing thread until the source ends, fails or the consumer walks away."""
        try:
            for chunk in self._source:
                with self._state:
                    while len(self._ready) >= self._depth and not self._abandoned:
                        self._state.wait()
                    if self._abandoned:
                        break
                    self._ready.append(chunk)
                    self._state.notify_all()
        except BaseException as error:  # noqa: BLE001  # handed to the consumer, which raises it
            self._error = error
        finally:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
            with self._state:
                self._finished = True
                self._state.notify_all()

    def consume(self) -> Iterator[bytes]:
        """Yield in the consuming thread; re-raises the source's error in its place."""
        while True:
            with self._state:
                while not self._ready and not self._finished:
                    self._state.wait()
                if not self._ready:
                    break
                chunk = self._ready.popleft()
                self._state.notify_all()
            yield chunk
        error, self._error = self._error, None  # or error and this frame would keep each other, and the capture, alive
        if error is not None:
            try:
                raise error
            finally:
                del error

    def abandon(self) -> None:
        with self._state:
            self._abandoned = True
            self._state.notify_all()


def ahead(source: Iterator[bytes], *, after_bytes: int, depth: int) -> Iterator[bytes]:
    """Pass ``source`` on; once ``after_bytes`` have gone by, read it ahead in a thread, at most ``depth`` chunks.

    The thread is joined before this generator ends. Only a source that is stuck in its next chunk when the stream is
    closed early is left behind after :data:`STUCK_S`: it ends with that chunk.
    An exception of ``source`` is raised here, in its place in the stream.
    """
    passed = 0
    for chunk in source:
        passed += len(chunk)
        yield chunk
        if passed >= after_bytes:
            break
    else:
        return
    handover = _Handover(source, depth)
    thread = threading.Thread(target=handover.produce, name="packhorse-encode", daemon=True)
    thread.start()
    try:
        yield from handover.consume()
    finally:
        handover.abandon()
        thread.join(STUCK_S)
