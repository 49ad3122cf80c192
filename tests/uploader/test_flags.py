"""Limits through OpenFeature, with its in-memory provider: changed live, bad values refused, never on the hot path."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.event import ProviderEventDetails
from openfeature.exception import ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from packhorse.errors import InputError
from packhorse.uploader.adaptive import Adaptive
from packhorse.uploader.flags import BAD, LIMITS, FlagFollower, FlaggedLimits
from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options

MIB = 2**20
FOREVER_S = 3600.0


class Provider(InMemoryProvider):
    """The in-memory provider with flags that can be changed, with an event or in silence."""

    def __init__(self, **values: Any) -> None:
        super().__init__({})
        self.broken = False
        self.threads: set[str] = set()
        self.put(silent=True, **values)

    def put(self, *, silent: bool = False, **values: Any) -> None:
        self._flags = {f"packhorse.{name}": InMemoryFlag("on", {"on": value}) for name, value in values.items()}
        if not silent:
            self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=list(self._flags)))

    def _resolve(self, flag_key: str, *rest: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        if self.broken:
            raise ProviderNotReadyError("away")
        return super()._resolve(flag_key, *rest)


def client(provider: Provider) -> OpenFeatureClient:
    domain = f"test-{id(provider)}"
    api.set_provider_and_wait(provider, domain=domain)
    return api.get_client(domain=domain)


@pytest.fixture
def up() -> Iterator[Uploader]:
    with Uploader("s3://bucket/pre", profile=PROFILE, redact=False, options=options(FakeStore())) as uploader:
        yield uploader


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_flags_are_applied_at_once_and_when_the_provider_says_they_changed(up: Uploader) -> None:
    provider = Provider(max_in_flight=7, memory_budget_bytes=MIB, encode_threads=3)
    engine = up._engine
    with FlagFollower(up, client=client(provider), interval_s=FOREVER_S) as flags:
        assert (engine.permits.limit, engine.core.account.budget_bytes, engine.core.encode_threads) == (7, MIB, 3)
        provider.put(max_in_flight=9, memory_budget_bytes=2 * MIB)
        until(lambda: flags.limits.applied["memory_budget_bytes"] == 2)
        assert (engine.permits.limit, engine.core.account.budget_bytes, engine.core.encode_threads) == (9, 2 * MIB, 3)
        assert flags.limits.applied == {"max_in_flight": 2, "memory_budget_bytes": 2, "encode_threads": 1}
        assert not flags.limits.refused
    provider.put(max_in_flight=5)
    time.sleep(0.1)
    assert engine.permits.limit == 9  # closed: it follows no more


def test_flags_of_a_silent_provider_are_looked_at_now_and_then(up: Uploader) -> None:
    provider = Provider(max_in_flight=7)
    with FlagFollower(up, client=client(provider), interval_s=0.01):
        provider.put(max_in_flight=8, silent=True)
        until(lambda: up._engine.permits.limit == 8)


@pytest.mark.parametrize("bad", [0, -3, "many", True, 3.5])
def test_bad_values_are_refused_and_counted_once_and_the_limit_stays(up: Uploader, bad: Any) -> None:
    provider = Provider(max_in_flight=7, memory_budget_bytes=MIB)
    with FlagFollower(up, client=client(provider), interval_s=FOREVER_S) as flags:
        provider.put(max_in_flight=bad, memory_budget_bytes=2 * MIB, silent=True)
        for _ in range(5):
            flags.look()
        assert up._engine.permits.limit == 7
        assert flags.limits.refused == {"max_in_flight": 1}
        assert flags.limits.why["max_in_flight"]
        assert up._engine.core.account.budget_bytes == 2 * MIB  # one bad flag holds no other back
        assert up._engine.reading().refused_flags == 1
        provider.put(max_in_flight=6, silent=True)
        flags.look()
        assert up._engine.permits.limit == 6
        assert not flags.limits.why


def test_a_limit_that_is_absurd_or_without_a_spool_is_refused() -> None:
    from packhorse.pipeline import Pipeline
    from packhorse.profiles.loading import Profile
    from packhorse.stores.base import Endpoint
    from packhorse.uploader.options import UploaderOptions

    profile = Profile("pooled", Pipeline.parse("json | gzip:1 | raw | obstore:pool=10"), 4)
    opts = UploaderOptions(endpoint=Endpoint("bucket", url="http://127.0.0.1:1", access_key="a", secret_key="b"))
    with Uploader("s3://bucket/p", profile=profile, redact=False, options=opts) as up:
        provider = Provider(max_in_flight=100_000, spool_bytes=MIB, encode_threads=100_000)
        with FlagFollower(up, client=client(provider), interval_s=FOREVER_S) as flags:
            assert "100000" in flags.limits.why["max_in_flight"]
            assert "1024" in flags.limits.why["max_in_flight"]
            assert flags.limits.refused == {"max_in_flight": 1, "spool_bytes": 1, "encode_threads": 1}
        assert up._engine.permits.limit == 4


def test_flags_switch_between_fixed_and_adaptive(up: Uploader) -> None:
    provider = Provider(max_in_flight=20, adaptive=False)
    permits = up._engine.permits
    with FlagFollower(up, client=client(provider), interval_s=FOREVER_S) as flags:
        assert (permits.limit, permits.adaptive) == (20, False)
        provider.put(max_in_flight=20, adaptive=True, silent=True)
        flags.look()
        assert (permits.limit, permits.most, permits.adaptive) == (4, 20, True)
        provider.put(max_in_flight=2, adaptive=True, silent=True)
        flags.look()
        assert (permits.limit, permits.most) == (2, 2)
        provider.put(max_in_flight=2, adaptive="yes", silent=True)
        flags.look()
        assert flags.limits.refused == {"adaptive": 1}
        provider.put(max_in_flight=12, adaptive=False, silent=True)
        flags.look()
        assert (permits.limit, permits.adaptive) == (12, False)


def test_a_provider_that_fails_or_has_no_flags_changes_nothing(up: Uploader) -> None:
    provider = Provider(max_in_flight=7)
    with FlagFollower(up, client=client(provider), interval_s=FOREVER_S) as flags:
        provider.broken = True
        flags.look()
        assert flags.errors == len(LIMITS)
        provider.broken = False
        provider.put(silent=True)
        flags.look()
        assert up._engine.permits.limit == 7
        assert not flags.limits.refused


def test_a_limit_set_by_hand_stays_until_the_flag_changes(up: Uploader) -> None:
    provider = Provider(max_in_flight=7)
    with FlagFollower(up, client=client(provider), interval_s=FOREVER_S) as flags:
        up.set_limits(max_in_flight=3)
        flags.look()
        assert up._engine.permits.limit == 3
        provider.put(max_in_flight=8, silent=True)
        flags.look()
        assert up._engine.permits.limit == 8


def test_flags_are_never_evaluated_on_the_way_of_a_capture(up: Uploader) -> None:
    provider = Provider(max_in_flight=7)
    with FlagFollower(up, client=client(provider), interval_s=0.01):
        for _ in range(50):
            up.upload({"log": {"entries": [1]}}, timeout_s=60)
    assert provider.threads <= {threading.current_thread().name, "packhorse-flags"}
    assert not any(thread.name == "packhorse-flags" for thread in threading.enumerate())


def test_every_limit_of_set_limits_has_its_flag() -> None:
    import inspect

    from packhorse.uploader.face import Face

    limits = set(inspect.signature(Face.set_limits).parameters) - {"self"}
    assert set(LIMITS) == limits | {"adaptive"}


def test_adaptive_bounds_follow_the_flag_that_changed() -> None:
    calls: list[dict[str, Any]] = []
    refused: list[int] = []
    limits = FlaggedLimits(lambda **limit: calls.append(limit), lambda: refused.append(1))
    limits.take({"adaptive": True})
    limits.take({"adaptive": True, "max_in_flight": 32})
    limits.take({"adaptive": True, "max_in_flight": BAD})
    limits.take({"adaptive": True, "max_in_flight": BAD})
    assert calls == [{"max_in_flight": "adaptive"}, {"max_in_flight": Adaptive(max_in_flight=32)}]
    assert limits.refused == {"max_in_flight": 1}
    assert len(refused) == 1


def test_an_interval_of_nothing_is_refused(up: Uploader) -> None:
    with pytest.raises(InputError, match="interval_s"):
        FlagFollower(up, client=client(Provider()), interval_s=0)


class Disabled(Provider):
    """Answers as flagd does for a flag that is disabled: the caller's default, without an error."""

    def resolve_integer_details(
        self, flag_key: str, default_value: int, *_: Any, **__: Any
    ) -> FlagResolutionDetails[int]:
        return FlagResolutionDetails(default_value, reason=Reason.DISABLED)


def test_a_disabled_flag_is_no_value(up: Uploader) -> None:
    before = up._engine.permits.limit, up._engine.core.account.budget_bytes
    with FlagFollower(up, client=client(Disabled(max_in_flight=7)), interval_s=FOREVER_S) as flags:
        assert (up._engine.permits.limit, up._engine.core.account.budget_bytes) == before
        assert not flags.limits.applied + flags.limits.refused
        assert flags.errors == 0


def test_a_whole_number_is_a_float(tmp_path: Path) -> None:
    spooling = options(FakeStore(), spool_dir=tmp_path)
    with Uploader("s3://bucket/pre", profile=PROFILE, redact=False, options=spooling) as uploader:
        provider = Provider(spool_max_age_s=3600)
        with FlagFollower(uploader, client=client(provider), interval_s=FOREVER_S) as flags:
            assert flags.limits.applied == {"spool_max_age_s": 1}
        with FlagFollower(uploader, client=client(Provider(spool_max_age_s="long")), interval_s=FOREVER_S) as flags:
            assert flags.limits.refused == {"spool_max_age_s": 1}
