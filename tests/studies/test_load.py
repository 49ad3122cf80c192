"""Open-loop load: latency counts from the scheduled time, so that a stalled server is not hidden."""

from __future__ import annotations

import asyncio
import itertools
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from benches.studies.load import Aim, Bursty, LoadSpec, Poisson, Replayed, Steady, Via, merged, run
from benches.studies.load.arrivals import Arrivals, read_timestamps
from benches.studies.load.histogram import HIGHEST_S, Latencies
from benches.studies.load.loops import UNFINISHED, Outcome, Send, closed_loop, open_loop
from benches.studies.load.result import Recorder
from benches.studies.load.senders import failure_class
from packhorse.bench.lab.targets import start_target
from packhorse.errors import InputError, PackhorseError, StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint
from tests.support import simulated_loop as simulated

SERVICE_S = 0.01


def server(stall_from_s: float, stall_to_s: float) -> Send:
    """Answers after ten milliseconds; a request that comes in during the stall waits for its end first."""

    async def send(_number: int) -> None:
        now_s = asyncio.get_running_loop().time()
        if stall_from_s <= now_s < stall_to_s:
            await asyncio.sleep(stall_to_s - now_s)
        await asyncio.sleep(SERVICE_S)

    return send


def opened(offsets: list[float], send: Send, *, max_in_flight: int = 10_000, drain_s: float = 60.0) -> list[Outcome]:
    found: list[Outcome] = []
    simulated.run(open_loop(offsets, send, found.append, max_in_flight=max_in_flight, drain_s=drain_s))
    return sorted(found, key=lambda outcome: outcome.due_s)


def recorded(outcomes: list[Outcome]) -> Recorder:
    recorder = Recorder()
    for outcome in outcomes:
        recorder(outcome)
    return recorder


def test_a_stall_is_seen_by_all_that_were_due_in_it() -> None:
    found = opened(list(Steady(100, 10).offsets(1)), server(3.995, 5.995))
    assert len(found) == 1000
    for outcome in found:
        expected = (5.995 - outcome.due_s if 3.995 <= outcome.due_s < 5.995 else 0.0) + SERVICE_S
        assert outcome.response_s == pytest.approx(expected, abs=1e-6)
        assert outcome.sent_s == pytest.approx(outcome.due_s, abs=1e-6)
    figures = recorded(found).response.figures()
    # A fifth of all arrivals waited up to two seconds, evenly: the 99th percentile waited 1.9 s.
    assert figures["p50_s"] == pytest.approx(SERVICE_S, rel=0.01)
    assert figures["p90_s"] == pytest.approx(1.0 + SERVICE_S, rel=0.02)
    assert figures["p99_s"] == pytest.approx(1.9 + SERVICE_S, rel=0.02)
    assert figures["max_s"] == pytest.approx(2.0 + SERVICE_S, rel=0.01)


def test_a_closed_loop_hides_the_same_stall() -> None:
    found: list[Outcome] = []
    simulated.run(closed_loop(4, server(4, 6), found.append, duration_s=10))
    slow = [outcome for outcome in found if outcome.service_s > 0.1]
    assert len(slow) == 4  # one for each worker
    figures = recorded(found).response.figures()
    assert figures["p99_s"] == pytest.approx(SERVICE_S, rel=0.01)
    assert figures["max_s"] == pytest.approx(2.0 + SERVICE_S, rel=0.01)


def test_the_known_correction_brings_a_closed_loop_near_the_open_one() -> None:
    corrected = Latencies()
    found: list[Outcome] = []
    simulated.run(closed_loop(1, server(4, 6), found.append, duration_s=10))
    for outcome in found:
        corrected.record_corrected(outcome.service_s, SERVICE_S)
    plain = recorded(found).response.figures()
    assert plain["p99_s"] < 0.02
    assert corrected.figures()["p99_s"] == pytest.approx(1.9, rel=0.02)


def test_what_finds_no_place_is_held_and_its_wait_counts() -> None:
    found = opened([0.0, 0.0, 0.0], server(0, 1), max_in_flight=1)
    assert [outcome.held for outcome in found] == [False, True, True]
    assert [outcome.response_s for outcome in found] == pytest.approx([1.01, 1.02, 1.03])
    assert [outcome.service_s for outcome in found] == pytest.approx([1.01, 0.01, 0.01])
    result = recorded(found).result()
    assert result.held == 2
    assert Latencies(result.lag).count == 1


def test_never_more_than_allowed_are_under_way() -> None:
    under_way, most = 0, 0

    async def send(_number: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(1.0)
        under_way -= 1

    found = opened(list(Steady(50, 2).offsets(1)), send, max_in_flight=7, drain_s=1000)
    assert (most, len(found)) == (7, 100)


def test_every_arrival_has_one_outcome_whatever_happens() -> None:
    async def send(number: int) -> None:
        await asyncio.sleep(1000 if number % 3 == 0 else 0.01)
        if number % 3 == 1:
            raise StoreError("busy", kind=StoreErrorKind.THROTTLED, status=503)

    found: list[Outcome] = []
    simulated.run(open_loop(range(9), send, found.append, max_in_flight=100, drain_s=5, classify=failure_class))
    result = recorded(found).result()
    assert result.failed == {UNFINISHED: 3, "throttled": 3}
    assert (result.asked, result.done) == (9, 3)
    assert Latencies(result.response).count == 3


@pytest.mark.parametrize(
    "arrivals", [Steady(200, 5), Poisson(200, 5), Bursty(200, 5), Bursty(200, 5, burst=10, gap_s=0.01)], ids=str
)
def test_patterns_are_seeded_ascending_and_keep_their_rate(arrivals: Arrivals) -> None:
    first, again, other = (list(arrivals.offsets(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first == sorted(first)
    assert first[0] >= 0
    assert isinstance(arrivals, Steady) == (first == other)
    mean = sum(len(list(arrivals.offsets(seed))) for seed in range(50)) / 50
    assert mean == pytest.approx(1000, rel=0.1)


def test_bursts_come_together() -> None:
    sizes = [len(list(group)) for _, group in itertools.groupby(Bursty(100, 5, burst=25).offsets(3))]
    assert set(sizes) == {25}


def test_recorded_arrivals_are_replayed_at_any_speed(tmp_path: Path) -> None:
    file = tmp_path / "times"
    file.write_text("2024-05-01T10:00:01.500+00:00\n\n2024-05-01T10:00:00Z\n2024-05-01T12:00:04+02:00\n")
    at_s = read_timestamps(file)
    assert at_s == (0.0, 1.5, 4.0)
    assert list(Replayed(at_s, speed=2).offsets(1)) == [0.0, 0.75, 2.0]
    file.write_text("12.5\n10\n")
    assert read_timestamps(file) == (0.0, 2.5)


@pytest.mark.parametrize(("text", "says"), [("", "no timestamp"), ("1\nsoon\n", "line 2: 'soon'")])
def test_unusable_timestamps_are_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "times").write_text(text)
    with pytest.raises(InputError, match=says):
        read_timestamps(tmp_path / "times")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Steady(0, 1), "rate_per_s"),
        (lambda: Poisson(1, -1), "duration_s"),
        (lambda: Bursty(1, 1, burst=0), "burst"),
        (lambda: Bursty(1, 1, gap_s=-1), "gap_s"),
        (lambda: Replayed(()), "at_s"),
        (lambda: Replayed((2.0, 1.0)), "ascending"),
        (lambda: Replayed((1.0,), speed=0), "speed"),
        (lambda: Aim(Endpoint("b"), uploads_in_flight=0), "uploads_in_flight"),
        (lambda: LoadSpec(Steady(1, 1), Aim(Endpoint("b")), max_in_flight=0), "max_in_flight"),
        (lambda: LoadSpec(Steady(1, 1), Aim(Endpoint("b")), drain_s=0), "drain_s"),
    ],
)
def test_unusable_descriptions_are_refused(wrong: object, says: str) -> None:
    assert callable(wrong)
    with pytest.raises(InputError, match=says):
        wrong()


def test_results_of_several_machines_add_up() -> None:
    found = opened(list(Steady(100, 10).offsets(1)), server(4, 6))
    whole = recorded(found).result()
    halves = [recorded(found[::2]).result(), recorded(found[1::2]).result()]
    both = merged([pickle.loads(pickle.dumps(half)) for half in halves])
    assert Latencies(both.response).figures() == Latencies(whole.response).figures()
    assert (both.asked, both.done, both.failed) == (whole.asked, whole.done, whole.failed)
    assert both.asked_per_s == pytest.approx(whole.asked_per_s, rel=0.01)
    with pytest.raises(InputError):
        merged([])


def test_figures_say_asked_and_achieved() -> None:
    slow = opened(list(Steady(100, 10).offsets(1)), server(0, 0), max_in_flight=1)
    figures = recorded(opened(list(Steady(100, 10).offsets(1)), server(0, 0))).result().figures()
    assert figures["asked_per_s"] == pytest.approx(100)
    assert figures["achieved_per_s"] == pytest.approx(100, rel=0.01)
    half = recorded([replace(outcome, done_s=2 * outcome.done_s) for outcome in slow]).result()
    assert half.achieved_per_s == pytest.approx(50, rel=0.01)


def test_latencies_beyond_the_histogram_are_kept_at_its_end() -> None:
    latencies = Latencies()
    latencies.record(10 * HIGHEST_S)
    latencies.record(0.0)
    assert latencies.count == 2
    assert latencies.figures()["max_s"] == pytest.approx(HIGHEST_S, rel=0.01)
    assert Latencies().figures() == {}


@pytest.mark.parametrize("via", list(Via))
def test_a_load_reaches_a_server(via: Via) -> None:
    with start_target("rclone") as target:
        spec = LoadSpec(Steady(40, 0.5), Aim(target.endpoint, via, capture_bytes=20_000, captures=2))
        result = run(pickle.loads(pickle.dumps(spec)))
        assert target.server is not None
        stored = [path for path in (target.server.directory / "objects").rglob("*") if path.is_file()]
    assert (result.asked, result.done, result.failed) == (20, 20, {})
    assert len(stored) == 20


def test_requests_that_fail_are_counted() -> None:
    gone = Endpoint("bucket", url="http://127.0.0.1:9", access_key="a", secret_key="b", region="us-east-1")
    result = run(LoadSpec(Steady(20, 0.2), Aim(gone, Via.STORE, captures=1, capture_bytes=20_000)))
    assert (result.asked, result.done, result.failed) == (4, 0, {"connection": 4})


def test_a_pipeline_without_a_store_cannot_carry_a_load() -> None:
    with pytest.raises(PackhorseError, match="fourth part"):
        run(LoadSpec(Steady(1, 1), Aim(Endpoint("b"), pipeline="orjson | gzip:1 | raw")))
