"""Store clients under a test's control."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.stores.base import Endpoint, ObjectInfo, PutResult, StoredObject
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.ticket import Fate

if TYPE_CHECKING:
    from packhorse.uploader.aio import AsyncUploader
    from packhorse.uploader.sync import Uploader

#: Standard library only, so that what is tested here is the engine.
PROFILE = Profile("test", Pipeline.parse("json:chunk=64KiB | gzip:1 | raw | memory"), max_in_flight=4)


class FakeStore:
    """Keeps objects; waits at a gate; fails as told, first the listed errors, then never."""

    def __init__(self, failures: list[StoreError] | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.infos: dict[str, ObjectInfo] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.failures = list(failures or [])
        self.attempts = 0
        self.concurrent = 0
        self.most_concurrent = 0
        self._lock = threading.Lock()

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        with self._lock:
            self.attempts += 1
            self.concurrent += 1
            self.most_concurrent = max(self.concurrent, self.most_concurrent)
        try:
            assert self.gate.wait(90)
            with self._lock:
                if self.failures:
                    raise self.failures.pop(0)
                self.objects[key] = body
                self.infos[key] = info
        finally:
            with self._lock:
                self.concurrent -= 1
        return PutResult("etag", len(body))

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        return self.put(key, b"".join(chunks), info)

    def open(self, key: str) -> AbstractContextManager[StoredObject]:
        raise NotImplementedError

    def close(self) -> None:
        raise AssertionError("a store given by the caller is the caller's to close")


def failure(kind: StoreErrorKind) -> StoreError:
    return StoreError(f"planned {kind.value}", kind=kind)


def options(store: FakeStore, **more: Any) -> UploaderOptions:
    quick: dict[str, Any] = {"backoff_base_s": 0.001, "backoff_max_s": 0.002, "close_deadline_s": 60.0}
    return UploaderOptions(endpoint=Endpoint("bucket"), store=store, **{**quick, **more})


def fill(up: Uploader | AsyncUploader, capture: Any) -> None:
    """Submit until there is no room and nothing on its way that would make some: the store's gate is closed."""
    engine = up._engine
    while True:
        refused = up.submit_nowait(capture).fate is Fate.DROPPED
        if refused and not engine.core.table.queued and all(job.attempts for job in engine.core.in_hand()):
            return
        time.sleep(0.0005)
