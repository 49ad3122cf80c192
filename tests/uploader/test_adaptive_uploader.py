"""The uploader with permits that are fixed or find themselves: taken before a request, never above the pool."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.stores.base import Endpoint, ObjectInfo, PutResult
from packhorse.uploader.adaptive import Adaptive
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, failure, options

CAPTURE = {"log": {"version": "1.2", "entries": [{"n": n, "text": "x" * 50} for n in range(10)]}}


class SlotStore(FakeStore):
    """Serves so many requests at once, each in ``service_s``; refuses the rest when told to."""

    def __init__(self, slots: int, service_s: float, *, refuses: bool = False) -> None:
        super().__init__()
        self.slots = slots
        self._free = threading.BoundedSemaphore(slots)
        self._service_s = service_s
        self._refuses = refuses
        self.refused = 0

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        if not self._free.acquire(blocking=not self._refuses):
            self.refused += 1
            raise failure(StoreErrorKind.THROTTLED)
        try:
            time.sleep(self._service_s)
            return super().put(key, body, info)
        finally:
            self._free.release()


def uploader(store: FakeStore, limit: Any, **more: Any) -> Uploader:
    opts = options(store, max_in_flight=limit, **more)
    return Uploader("s3://bucket/pre", profile=PROFILE, redact=False, options=opts)


def test_an_adaptive_limit_grows_where_that_pays_and_all_are_uploaded() -> None:
    store = SlotStore(slots=64, service_s=0.02)
    with uploader(store, Adaptive(max_in_flight=16, start=2)) as up:
        tickets = [up.submit(CAPTURE) for _ in range(600)]
        for ticket in tickets:
            ticket.result(60)
        assert up._engine.permits.limit > 4
    assert store.most_concurrent <= 16
    assert up.stats().uploaded == 600


def test_refusals_shrink_it_and_cost_no_capture() -> None:
    store = SlotStore(slots=2, service_s=0.002, refuses=True)
    with uploader(store, Adaptive(max_in_flight=32, start=32), max_attempts=100, deadline_s=60.0) as up:
        # First failures would use the shared retry budget up: the limit must have sunk before that matters.
        tickets = [up.submit(CAPTURE) for _ in range(300)]
        for ticket in tickets:
            while not ticket.done():
                time.sleep(0.002)
        assert up._engine.permits.limit < 16
    stats = up.stats()
    assert stats.submitted == stats.uploaded + stats.failed
    assert stats.uploaded == len(store.objects)
    assert stats.uploaded >= 200


def test_a_fixed_limit_stays_whatever_happens() -> None:
    store = SlotStore(slots=2, service_s=0.001, refuses=True)
    with uploader(store, 8) as up:
        for ticket in [up.submit(CAPTURE) for _ in range(50)]:
            while not ticket.done():
                time.sleep(0.002)
        assert up._engine.permits.limit == 8
        assert not up._engine.permits.adaptive


def test_the_permit_is_taken_before_the_request_is_made_and_never_exceeded() -> None:
    store = FakeStore()
    store.gate.clear()
    with uploader(store, Adaptive(max_in_flight=8, start=3)) as up:
        tickets = [up.submit(CAPTURE) for _ in range(20)]
        while store.concurrent < 3:
            time.sleep(0.005)
        time.sleep(0.05)
        assert store.concurrent == 3
        assert up.stats().attempts == 3
        store.gate.set()
        for ticket in tickets:
            ticket.result(60)
    assert store.most_concurrent <= 8


def test_limits_change_live_between_fixed_and_adaptive() -> None:
    store = FakeStore()
    with uploader(store, 4) as up:
        up.set_limits(max_in_flight="adaptive")
        assert up._engine.permits.adaptive
        up.upload(CAPTURE, timeout_s=60)
        up.set_limits(max_in_flight=Adaptive(max_in_flight=6, start=6))
        assert up._engine.permits.limit == 6
        up.set_limits(max_in_flight=9)
        assert (up._engine.permits.limit, up._engine.permits.adaptive) == (9, False)
        up.upload(CAPTURE, timeout_s=60)


POOLED = Profile("pooled", Pipeline.parse("json | gzip:1 | raw | obstore:pool=10"), 4)


def pooled(limit: Any) -> Uploader:
    opts = UploaderOptions(endpoint=Endpoint("bucket", url="http://127.0.0.1:1"), max_in_flight=limit)
    return Uploader("s3://bucket/p", profile=POOLED, redact=False, options=opts)


@pytest.mark.parametrize("limit", [500, Adaptive(max_in_flight=500)])
def test_the_pool_follows_the_limit(limit: Any) -> None:
    with pooled(limit) as up:
        assert up._engine.client.pool == 500
    with pooled(4) as up:
        up.set_limits(max_in_flight=limit)
        assert up._engine.client.pool == 500
        assert up._engine.permits.most == 500


def test_a_client_that_is_in_use_is_replaced_by_a_larger_one_and_closed_at_the_end() -> None:
    class Store(FakeStore):
        closed = False

        def close(self) -> None:
            self.closed = True

    with pooled(4) as up:
        client, made = up._engine.client, [Store(), Store()]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client, "_made", iter(made).__next__)
            assert client.store() is made[0]
            up.set_limits(max_in_flight=11)
            assert client.pool == 20  # at least doubled, so that small steps do not make many clients
            up.set_limits(max_in_flight=20)
            assert client.store() is made[1]
            assert not made[0].closed  # requests may still run in it
    assert [store.closed for store in made] == [True, True]


def test_a_pool_that_no_client_can_have_is_refused_with_both_numbers() -> None:
    with pooled(4) as up, pytest.raises(InputError, match=r"max_in_flight is 1000000 but the pool of .* 20480"):
        up.set_limits(max_in_flight=1_000_000)
    assert up._engine.permits.limit == 4


def test_plain_adaptive_fits_the_pool_it_finds() -> None:
    with pooled("adaptive") as up:
        assert up._engine.permits.most == 10


@pytest.mark.parametrize("limit", ["fast", True, 3.5, 0, -1])
def test_what_is_no_limit_is_refused(limit: Any) -> None:
    with pytest.raises(InputError, match="max_in_flight"):
        uploader(FakeStore(), limit)


def test_timeouts_shrink_the_limit_and_other_failures_do_not() -> None:
    for kind, shrinks in ((StoreErrorKind.TIMEOUT, True), (StoreErrorKind.DENIED, False)):
        store = FakeStore([StoreError("planned", kind=kind)] * 3)
        with uploader(store, Adaptive(max_in_flight=20, start=20), max_attempts=1) as up:
            for _ in range(3):
                ticket = up.submit(CAPTURE)
                while not ticket.done():
                    time.sleep(0.002)
            assert (up._engine.permits.limit < 20) is shrinks
