"""The way that a capture takes in the finals: what one thread of the uploader does with it, in one go.

This is the one place where the race says what is raced. :func:`hot_path` is all that knows how redaction, encoding,
compression and upload follow each other.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

from packhorse.codec import Tally
from packhorse.pipeline import Choice, Pipeline
from packhorse.redact import Redactor
from packhorse.stages.base import Stage
from packhorse.stores.base import Endpoint, ObjectInfo, Store
from packhorse.wire import Headers

#: Keys are used again after this many uploads of an arm, so that a long race does not fill the target; but never while
#: an earlier put of the same key may still be under way, which some servers answer with 500.
KEYS_PER_ARM, KEYS_PER_WORKER = 64, 8
_INFO = ObjectInfo()


class Run(Protocol):
    """Brings one capture to the store."""

    def __call__(self, capture: Any, key: str) -> Put:
        """Encode and put one capture. Raises CaptureError, RedactionError or StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class Put:
    """What became of one capture: bytes that were stored, and seconds inside the client's ``put``."""

    stored_bytes: int
    put_s: float


def hot_path(pipeline: Pipeline, redactor: Redactor | None, store: Store) -> Run:
    """One worker's way from capture to stored object, by the uploader's own functions: not for two threads at once.

    Args:
        pipeline: Its three CPU stages; the store is made already.
        redactor: Redacts the encoded bytes; None uploads captures as they are. Formats that are no JSON document are
            redacted before they are encoded.
        store: Shared by all workers.
    """
    codec = pipeline.codec()
    on_bytes = pipeline.encode_with.candidate.wire == "json"
    scrub = redactor.encoded if redactor is not None and on_bytes else None
    headers = Headers(pipeline, "race")

    def run(capture: Any, key: str) -> Put:
        if redactor is not None and not on_bytes:
            capture = redactor.capture(capture)
        tally = Tally()
        body = codec.encode_whole(capture, tally=tally, scrub=scrub)
        info = headers.of(plain_bytes=tally.plain_bytes, crc32=tally.crc32, sha256=None)
        handed = time.perf_counter()
        store.put(key, body, info)
        return Put(len(body), time.perf_counter() - handed)

    return run


def bare_parts(pipeline: Pipeline, store: Store) -> Run:
    """The same parts in a loop as one writes it by hand: no redaction, no checksum, nothing that makes it safe."""
    codec = pipeline.codec()

    def run(capture: Any, key: str) -> Put:
        body = b"".join(codec.encode(capture, overlap=False))
        handed = time.perf_counter()
        store.put(key, body, _INFO)
        return Put(len(body), time.perf_counter() - handed)

    return run


def make_store(pipeline: Pipeline, endpoint: Endpoint) -> Store:
    """The pipeline's client as the uploader runs it: an asyncio client behind a bridge for threads.

    Raises:
        UnavailableError: The store's library is missing.
        ValueError: The pipeline has no store.
    """
    choice = pipeline.store
    if choice is None:
        raise ValueError("a pipeline without a store cannot upload")
    if choice.candidate.asynchronous:
        from packhorse.stores.bridge import SyncBridge

        return SyncBridge(lambda: choice.make(endpoint=endpoint))
    made: Store = choice.make(endpoint=endpoint)
    return made


def with_pool(pipeline: Pipeline, in_flight: int) -> Pipeline:
    """``pipeline`` with a pool of at least ``in_flight``, unless its text names a pool itself."""
    store = pipeline.store
    if store is None:
        return pipeline
    defaults = {setting.name: setting.default for setting in store.candidate.settings}
    if "pool" not in defaults or "pool" in dict(store.given) or int(defaults["pool"]) >= in_flight:
        return pipeline
    return replace(pipeline, store=replace(store, given=(*store.given, ("pool", in_flight))))


def parsed(text: bytes) -> Any:
    """A fresh object of a capture's JSON text, as fast as can be: this is done beside the clock, again and again."""
    try:
        return _orjson().decode(iter((text,)))
    except Exception:  # noqa: BLE001 - halves of surrogate pairs, numbers beyond 64 bits: the standard library reads them
        return json.loads(text)


@lru_cache(maxsize=1)
def _orjson() -> Any:
    return Choice.parse(Stage.ENCODE, "orjson").make()


@dataclass(frozen=True, slots=True)
class Uploads:
    """What a run of uploads did.

    Attributes:
        bytes_out: Bytes put.
        latencies_s: Each upload's seconds from capture in hand to the answer.
        put_s: Seconds inside the client's ``put``, over all uploads; what runs side by side is counted twice.
    """

    bytes_out: int
    latencies_s: list[float]
    put_s: float


class Lanes:
    """As many threads as captures are in flight; each takes the next capture and brings it to the store."""

    def __init__(self, runs: Sequence[Run], store: Store, prefix: str) -> None:
        self._runs = runs
        self._store = store
        self._prefix = prefix
        self._keys = max(KEYS_PER_ARM, KEYS_PER_WORKER * len(runs))
        self._sent = 0
        self._threads = ThreadPoolExecutor(len(runs), thread_name_prefix="packhorse-race")

    def upload(self, captures: Sequence[Any]) -> Uploads:
        """Upload every capture once, and let go of each as it is taken. The first failure ends all and is raised."""
        jobs = deque((f"{self._prefix}-{(self._sent + i) % self._keys}", one) for i, one in enumerate(captures))
        self._sent += len(jobs)
        futures = [self._threads.submit(_work, run, jobs) for run in self._runs[: len(jobs)]]
        wait(futures)  # also after a failure: nothing may still upload while the next arm is sampled
        done = [future.result() for future in futures]
        latencies_s = [seconds for part in done for seconds in part.latencies_s]
        return Uploads(sum(part.bytes_out for part in done), latencies_s, sum(part.put_s for part in done))

    def close(self) -> None:
        """End the threads and close the client."""
        self._threads.shutdown()
        self._store.close()


def _work(run: Run, jobs: deque[tuple[str, Any]]) -> Uploads:
    bytes_out, put_s, latencies_s = 0, 0.0, []
    try:
        while jobs:
            try:
                key, capture = jobs.popleft()
            except IndexError:  # another worker took the last one
                break
            begun = time.perf_counter()
            put = run(capture, key)
            latencies_s.append(time.perf_counter() - begun)
            put_s += put.put_s
            bytes_out += put.stored_bytes
    except BaseException:
        jobs.clear()  # the other workers stop too: the sample is lost
        raise
    return Uploads(bytes_out, latencies_s, put_s)
