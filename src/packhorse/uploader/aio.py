"""The face for asyncio. Encoding and sending happen in the engine's threads, never on the loop."""

from __future__ import annotations

import asyncio
from functools import partial
from types import TracebackType
from typing import Any, Self

from packhorse.uploader.account import Flushed
from packhorse.uploader.face import Face
from packhorse.uploader.options import check_deadline, check_wait
from packhorse.uploader.reasons import Reason
from packhorse.uploader.telemetry import watch_loop
from packhorse.uploader.ticket import Receipt, Ticket, running_loop


def _wake(loop: asyncio.AbstractEventLoop, turn: asyncio.Event) -> None:
    loop.call_soon_threadsafe(turn.set)


class AsyncUploader(Face):
    """:class:`packhorse.Uploader` for asyncio: the same engine, account and promises.

    async with AsyncUploader("s3://bucket/prefix") as uploader:
        ticket = await uploader.submit(capture)
        receipt = await ticket
    """

    async def submit(self, capture: Any, *, key: str | None = None, timeout_s: float | None = None) -> Ticket:
        """As ``Uploader.submit``, without holding the loop. A cancelled wait drops the capture, counted."""
        check_wait("timeout_s", timeout_s)
        engine = self._engine
        loop, turn = running_loop(), asyncio.Event()
        if engine.options.telemetry:
            watch_loop(loop)
        waiter = engine.ask(engine.job(capture, key), partial(_wake, loop, turn))
        if not waiter.decided:
            try:
                async with asyncio.timeout(timeout_s):
                    await turn.wait()
            except TimeoutError:
                pass
            except BaseException:
                engine.give_up(waiter, Reason.CANCELLED)
                raise
            engine.ask_last(waiter)
        return engine.outcome(waiter)

    def submit_nowait(self, capture: Any, *, key: str | None = None) -> Ticket:
        """As ``Uploader.submit_nowait``."""
        return self._engine.submit_nowait(capture, key)

    async def upload(self, capture: Any, *, key: str | None = None, timeout_s: float | None = None) -> Receipt:
        """As ``Uploader.upload``: submit and wait for the receipt."""
        ticket = await self.submit(capture, key=key, timeout_s=timeout_s)
        async with asyncio.timeout(timeout_s):
            return await ticket

    async def flush(self, deadline_s: float | None = None) -> Flushed:
        """As ``Uploader.flush``; the loop goes on meanwhile."""
        deadline = self._engine.options.close_deadline_s if deadline_s is None else deadline_s
        check_deadline(deadline)
        running_loop()
        return await asyncio.to_thread(self._engine.flush, deadline)

    async def close(self, deadline_s: float | None = None) -> None:
        """As ``Uploader.close``; the loop goes on meanwhile."""
        deadline = self._engine.options.close_deadline_s if deadline_s is None else deadline_s
        check_deadline(deadline)
        running_loop()
        await asyncio.to_thread(self._engine.close, deadline)

    async def __aenter__(self) -> Self:
        running_loop()
        self._engine.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
