"""The same promises on an event loop."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from packhorse.errors import QueueFull, UploaderClosed, UploadFailed
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.ticket import Fate
from tests.uploader.fakes import PROFILE, FakeStore, fill, options
from tests.uploader.test_uploader import CAPTURE, KIB100, balanced


def uploader(store: FakeStore, budget: int = 64 * 2**20, max_in_flight: int = 4) -> AsyncUploader:
    return AsyncUploader(
        "s3://bucket/pre",
        profile=PROFILE,
        redact=False,
        memory_budget_bytes=budget,
        options=options(store, max_in_flight=max_in_flight),
    )


def test_upload_and_await() -> None:
    async def main() -> None:
        store = FakeStore()
        async with uploader(store) as up:
            ticket = await up.submit(CAPTURE)
            receipt = await ticket
            assert json.loads(gzip.decompress(store.objects[receipt.key])) == CAPTURE
            assert (await up.upload(CAPTURE)).attempts == 1
            receipts = await asyncio.gather(*[up.upload(CAPTURE) for _ in range(200)])
            assert len({r.key for r in receipts}) == 200
        assert up.stats().uploaded == 202
        with pytest.raises(UploaderClosed):
            await up.submit(CAPTURE)

    asyncio.run(main())


def test_submit_waits_for_room_without_holding_the_loop() -> None:
    async def main() -> None:
        store = FakeStore()
        store.gate.clear()
        async with uploader(store, budget=150_000, max_in_flight=1) as up:
            tasks = [asyncio.create_task(up.submit(KIB100)) for _ in range(300)]
            await asyncio.sleep(0.05)  # the loop goes on while they wait
            assert not all(task.done() for task in tasks)
            store.gate.set()
            for ticket in await asyncio.gather(*tasks):
                await ticket
        assert up.stats().uploaded == 300

    asyncio.run(main())


def test_a_wait_that_ends_without_room_is_counted() -> None:
    async def main() -> None:
        store = FakeStore()
        store.gate.clear()
        async with uploader(store, budget=24_000, max_in_flight=1) as up:
            fill(up, CAPTURE)
            before = up.stats().dropped
            with pytest.raises(QueueFull):
                await up.submit(CAPTURE, timeout_s=0.02)
            waiting = asyncio.create_task(up.submit(CAPTURE))
            while not len(up._engine.core.line):
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            stats = up.stats()
            assert stats.dropped == before + 2
            assert balanced(stats)
            store.gate.set()
        assert balanced(up.stats())

    asyncio.run(main())


def test_cancelling_the_wait_for_a_ticket_does_not_cancel_the_upload() -> None:
    async def main() -> None:
        store = FakeStore()
        store.gate.clear()
        async with uploader(store) as up:
            ticket = await up.submit(CAPTURE)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(_wait(ticket), 0.02)
            store.gate.set()
            await ticket
            assert ticket.fate is Fate.UPLOADED

    async def _wait(ticket: object) -> None:
        await ticket  # type: ignore[misc]

    asyncio.run(main())


def test_a_dropped_capture_raises_when_awaited() -> None:
    async def main() -> None:
        async with uploader(FakeStore(), budget=1000) as up:
            ticket = up.submit_nowait(KIB100)
            with pytest.raises(UploadFailed, match="dropped"):
                await ticket

    asyncio.run(main())
