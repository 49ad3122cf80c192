"""The memory budget is a bound on memory, whatever a capture is made of: measured in fresh processes."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import pytest

from benches.studies.blocks import fresh
from benches.studies.faults.outage import resident_bytes
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.units import MIB
from packhorse.uploader.account import Account, Guesses
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate
from packhorse.uploader.weight import guess, weigh
from tests.uploader.fakes import FakeStore, options

SIZE = 1_000_000
BUDGET = 64 * MIB
_SOURCE = random.Random(1).randbytes(SIZE).hex()


def text(number: int, size: int) -> str:
    """Fresh each time, and half as small once compressed."""
    return _SOURCE[:size] + f"{number:012d}"


def _har(**entry: Any) -> dict[str, Any]:
    return {"log": {"version": "1.2", "entries": [{"request": {}, "response": {"content": {}}, **entry}]}}


def _nested(number: int) -> Any:
    value: Any = text(number, SIZE)
    for _ in range(300):
        value = [value]
    return value


def _one_body(number: int) -> Any:
    bodies = ["x"] * 100
    bodies[random.Random(number).randrange(100)] = text(number, SIZE)
    return {"log": {"entries": [{"request": {}, "response": {"content": {"text": body}}} for body in bodies]}}


SHAPES: dict[str, Callable[[int], Any]] = {
    "body": lambda n: _har(response={"content": {"text": text(n, SIZE)}}),
    "headers": lambda n: _har(request={"headers": [{"name": "X", "value": text(n, 10_000)} for _ in range(100)]}),
    "params": lambda n: _har(request={"postData": {"params": [{"value": text(n, 100_000)} for _ in range(10)]}}),
    "frames": lambda n: _har(_webSocketMessages=[{"data": text(n, 50_000)} for _ in range(20)]),
    "screenshots in log": lambda n: {"log": {"entries": [], "_screenshots": [text(n, SIZE)]}},
    "numbers": lambda n: _har(_timeline=list(range(10**6 + n, 10**6 + n + 100_000))),
    "flat": lambda n: {**{f"k{k}": k for k in range(20)}, "payload": text(n, SIZE)},
    "middle of a large dictionary": lambda n: {f"k{k}": text(n, SIZE) if k == 999 else k for k in range(2000)},
    "nested": _nested,
    "one body of many": _one_body,
    "tiny strings": lambda n: {"t": [f"{n}-{k}" for k in range(60_000)]},
    "wide characters": lambda n: _har(response={"content": {"text": "\U0001f600" * 250_000 + text(n, 12)}}),
    "shared": lambda n: [{"k": value} for value in [text(n, 10_000)] for _ in range(100)],
    "bytes": lambda n: f'{{"a": "{text(n, SIZE)}"}}'.encode(),
}


def peak_above(shape: str) -> int:
    """Resident bytes above those before the first, the most at any time, while S3 answers nothing."""
    profile = Profile("weight", Pipeline.parse("orjson-stream | isal:1 | raw | memory"), 4)
    store = FakeStore()
    make = SHAPES[shape]
    with Uploader("s3://bucket/x", profile=profile, memory_budget_bytes=BUDGET, options=options(store)) as up:
        up.upload({"warm": 1})
        store.gate.clear()
        make(0)
        base = peak = resident_bytes()
        for number in range(600):
            up.submit_nowait(make(number))
            peak = max(peak, resident_bytes())
        store.gate.set()
        up.close(0.0)
    return peak - base


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
@pytest.mark.parametrize("shape", SHAPES)
def test_memory_stays_within_the_budget_whatever_captures_are_made_of(shape: str) -> None:
    assert fresh(peak_above, shape) <= BUDGET * 1.1 + 32 * MIB


def test_a_burst_into_a_healthy_store_drops_nothing() -> None:
    store = FakeStore()
    with Uploader("s3://bucket/x", options=options(store)) as up:
        tickets = [up.submit_nowait(SHAPES["body"](number)) for number in range(100)]
        for ticket in tickets:
            ticket.result(60)
    assert (up.stats().uploaded, up.stats().degraded) == (100, 0)


# --- the look ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", ["headers", "params", "frames", "screenshots in log", "numbers", "flat", "tiny strings"]
)
def test_a_closer_look_finds_heavy_parts_wherever_they_are(shape: str) -> None:
    assert weigh(SHAPES[shape](1), drawn=2, most=64).held_bytes > 0.8 * SIZE


def test_a_guess_touches_few_objects() -> None:
    """What it costs a submitter, without a clock: the objects that it asks for their size, or goes through."""

    class Counted(dict[str, Any]):
        touched = 0

        def values(self) -> Any:
            Counted.touched += 1
            return super().values()

        def __getitem__(self, key: str) -> Any:
            Counted.touched += 1
            return super().__getitem__(key)

        def get(self, key: str, default: Any = None) -> Any:
            Counted.touched += 1
            return super().get(key, default)

    def counted(value: Any) -> Any:
        if isinstance(value, dict):
            return Counted({key: counted(inner) for key, inner in value.items()})
        return [counted(inner) for inner in value] if isinstance(value, list) else value

    capture = counted(
        {"log": {"entries": [{"request": {"headers": [{}] * 9}, "response": {"content": {"text": "x"}}}] * 500}}
    )
    Counted.touched = 0
    guess(capture, at_most=2**40)
    assert 0 < Counted.touched <= 10


# --- what is learned --------------------------------------------------------------------------------------------------


def test_what_was_not_seen_counts_for_all_that_wait() -> None:
    account = Account(10**9)
    for _ in range(50):
        account.hold(0, 1000)
    assert account.held_bytes == pytest.approx(50_000 * Guesses.MARGIN)
    account.guesses.learn(1000, 10**6)
    assert account.held_bytes == pytest.approx(50 * 10**6, rel=0.02)
    for _ in range(50):
        account.hold(0, -1000)
    assert account.held_bytes == 0


def test_a_correction_above_the_budget_keeps_newcomers_out_and_costs_none_that_is_in() -> None:
    store = FakeStore()
    store.gate.clear()
    with Uploader("s3://bucket/x", memory_budget_bytes=MIB, options=options(store, encode_threads=1)) as up:
        before = up.submit_nowait({"a": "x" * 1000})
        account = up._engine.core.account
        account.guesses.known = True
        with up._engine.core.lock:
            account.hold(0, 10_000)
            account.guesses.unseen_bytes = 2.0 * MIB
            assert account.held_bytes > MIB
            late = up.submit_nowait(b"1")
            account.guesses.unseen_bytes = 0.0
            account.hold(0, -10_000)
        again = up.submit_nowait(b"1")
        store.gate.set()
        assert {ticket.result(60).key for ticket in (before, again)} == set(store.objects)
    assert (late.fate, up.stats().dropped, up.stats().held_bytes) == (Fate.DROPPED, 1, 0)


def test_what_is_learned_follows_captures_of_another_kind() -> None:
    guesses = Guesses()
    guesses.learn(1000, 2000)
    assert (guesses.rate, guesses.unseen_bytes) == (2.0, 0.0)
    for _ in range(8):
        guesses.learn(1000, 10**6)
    assert guesses.unseen_bytes > 0.9 * 10**6
    for _ in range(200):
        guesses.learn(1000, 1000)
    assert guesses.unseen_bytes < 100
    assert guesses.rate == pytest.approx(1.0)


def test_what_others_were_keeps_none_out_for_good() -> None:
    account = Account(10**6)
    account.guesses.learn(1000, 10**8)
    assert account.charge(100, 1000) == 10**6
    assert account.charge(100, 0) == 100
    assert account.charge(100, 2 * 10**6) == 2 * 10**6 + 100  # its own guess always counts


def test_one_weight_is_as_good_as_exact_for_many_alike() -> None:
    entries = [{"headers": [{"name": "a", "value": f"{n}{k}"} for k in range(20)]} for n in range(500)]
    few, all_of_it = (weigh({"log": {"entries": entries}}, drawn=d, most=m) for d, m in ((1, 16), (10**6, 10**6)))
    assert few.beside_text_bytes == pytest.approx(all_of_it.beside_text_bytes, rel=0.35)
