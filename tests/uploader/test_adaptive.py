"""The adaptive limit against modelled servers whose best fixed limit is known."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from packhorse.errors import InputError
from packhorse.uploader.adaptive import BACKOFF, Adaptive, Limiter
from tests.uploader.simulated import Fixed, Server, Simulation

Sizes = Callable[[random.Random], int]
SEEDS = (1, 2, 3)


def one_mb(_: random.Random) -> int:
    return 1_000_000


def mixed(source: random.Random) -> int:
    return source.choice([20_000, 200_000, 4_000_000])


def limiter(seed: int, **settings: int) -> Limiter:
    return Limiter(Adaptive(**settings), random.Random(seed).uniform)


SERVERS: dict[str, tuple[Callable[[], Server], Sizes]] = {
    "knee at 40, no noise": (lambda: Server(40), one_mb),
    "knee at 40": (lambda: Server(40, noise=0.3), one_mb),
    "knee at 40, much noise": (lambda: Server(40, noise=0.6), one_mb),
    "knee at 8": (lambda: Server(8, base_s=0.003, noise=0.4), one_mb),
    "knee at 3": (lambda: Server(3, base_s=0.002, noise=0.5), one_mb),
    "knee beyond the most": (lambda: Server(200, noise=0.3), one_mb),
    "no sharp knee": (lambda: Server(8, smooth=True, noise=0.3), one_mb),
    "sizes from 20 KB to 4 MB": (lambda: Server(20, per_byte_s=1 / 85e6, noise=0.3), mixed),
    "SlowDown beyond 16": (lambda: Server(16, refuses=True, noise=0.3), one_mb),
    "SlowDown beyond 40": (lambda: Server(40, refuses=True, noise=0.3), one_mb),
}


@pytest.mark.parametrize("name", SERVERS)
def test_it_reaches_nine_tenths_of_the_best_fixed_limit(name: str) -> None:
    server, sizes = SERVERS[name]
    fixed = [Simulation(server(), Fixed(n), 9, sizes).run(15).rate(5) for n in (1, 2, 4, 8, 16, 24, 32, 40, 48, 64)]
    for seed in SEEDS:
        simulation = Simulation(server(), limiter(seed), seed, sizes).run(30)
        assert simulation.rate(5) >= 0.9 * max(fixed)


def test_a_knee_is_not_exceeded_without_bound() -> None:
    """Where more in flight brings queues alone, it settles within two steps above the knee of 8."""
    for seed in SEEDS:
        simulation = Simulation(Server(8, noise=0.3), limiter(seed), seed, one_mb).run(60)
        settled = sorted(simulation.limits[len(simulation.limits) // 2 :])
        assert 6 <= settled[len(settled) // 2] <= 18
        assert settled[-1] < 64


def test_one_round_of_refusals_shrinks_it_once() -> None:
    limit = limiter(1, start=40, min_in_flight=2)
    epoch = limit.epoch
    assert limit.overloaded(epoch)
    shrunk = limit.limit
    assert shrunk == int(40 * BACKOFF)
    assert not any(limit.overloaded(epoch) for _ in range(39))  # they were on their way before it shrank
    assert limit.limit == shrunk
    for _ in range(20):
        limit.overloaded(limit.epoch)
    assert limit.limit == 2


@pytest.mark.parametrize(("refuses", "most_answers"), [(True, 300), (False, 3000)])
def test_it_backs_off_within_so_many_answers_of_a_drop(refuses: bool, most_answers: int) -> None:
    """Capacity falls from 40 to 5: soon when the server says so, later when only latency tells."""
    for seed in SEEDS:
        server = Server(40, noise=0.3, refuses=refuses)
        simulation = Simulation(server, limiter(seed), seed, one_mb).run(10)
        assert simulation.limits[-1] >= 24
        answers = len(simulation.limits)
        server.slots = 5
        simulation.run(60)
        after = simulation.limits[answers:]
        assert next(n for n, limit in enumerate(after) if limit <= 10) <= most_answers
        assert simulation.rate(30) >= 0.9 * 5 / simulation.server.base_s / 1.046  # the mean of the noise


def test_it_follows_a_capacity_that_grows() -> None:
    for seed in SEEDS:
        server = Server(5, noise=0.3)
        simulation = Simulation(server, limiter(seed), seed, one_mb).run(30)
        assert simulation.limits[-1] <= 16
        server.slots = 40
        simulation.run(20)
        assert simulation.rate(simulation.now_s - 10) >= 0.9 * 40 / server.base_s / 1.046


def test_after_an_outage_it_is_back_within_ten_seconds() -> None:
    for seed in SEEDS:
        server = Server(40, noise=0.3)
        simulation = Simulation(server, limiter(seed), seed, one_mb).run(10)
        usual = simulation.rate(5)
        server.silent = True
        simulation.run(120)
        assert simulation.limiter.limit <= 4
        server.silent = False
        simulation.run(20)  # up to 5 of these end the last timeouts
        assert simulation.rate(simulation.now_s - 10) >= 0.9 * usual


def test_latency_that_has_changed_for_good_is_no_reason_to_stay_small() -> None:
    """A longer route: the same slots, three times the latency. More in flight is needed, not less."""
    server = Server(200, base_s=0.01, noise=0.3)
    simulation = Simulation(server, limiter(4), 4, one_mb).run(10)
    server.base_s = 0.03
    simulation.run(30)
    assert simulation.rate(20) >= 0.9 * 64 / 0.03 / 1.046


def test_a_run_of_small_captures_is_not_mistaken_for_a_slow_server() -> None:
    sizes = {"now": 4_000_000}
    server = Server(200, per_byte_s=1 / 85e6, noise=0.3)
    both = Simulation(server, limiter(5), 5, lambda source: source.choice([20_000, sizes["now"]])).run(10)
    before = both.limiter.limit
    sizes["now"] = 20_000
    both.run(20)
    assert both.limiter.limit >= before * 0.9


def test_the_same_seed_gives_the_same_limits() -> None:
    runs = [Simulation(Server(40, noise=0.3), limiter(7), 7, one_mb).run(5).limits for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    "settings",
    [
        {"min_in_flight": 0},
        {"start": 100},
        {"min_in_flight": 8},
        {"max_in_flight": 2},
        {"max_in_flight": "64"},
        {"max_in_flight": 64.5},
        {"min_in_flight": True},
        {"start": None},
    ],
)
def test_bounds_that_contradict_each_other_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="min_in_flight <= start <= max_in_flight"):
        Adaptive(**settings)
