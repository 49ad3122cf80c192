"""Running a load: a plain function of its description."""

from __future__ import annotations

import asyncio

from benches.studies.load.loops import open_loop
from benches.studies.load.result import LoadResult, Recorder
from benches.studies.load.senders import failure_class, sender
from benches.studies.load.spec import LoadSpec


def run(spec: LoadSpec) -> LoadResult:
    """Run a load to its end in this process and thread.

    Every arrival is in the result once, as done or as failed. Objects stay where they were stored.

    Raises:
        PackhorseError: The client cannot be made. Failed requests are counted, not raised.
    """
    return asyncio.run(load(spec))


async def load(spec: LoadSpec) -> LoadResult:
    """As :func:`run`, on the running event loop."""
    recorder = Recorder()
    offsets = list(spec.arrivals.offsets(spec.seed))  # drawn before the clock starts
    async with sender(spec.aim, spec.seed) as send:
        await open_loop(
            offsets,
            send,
            recorder,
            max_in_flight=spec.max_in_flight,
            drain_s=spec.drain_s,
            classify=failure_class,
        )
    return recorder.result()
