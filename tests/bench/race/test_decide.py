from __future__ import annotations

import random

import pytest

from packhorse.bench.race.decide import Member, decide, noise_floor, paired_ratio, tie_break


def blocks(middle: float, *, count: int = 12, noise: float = 0.01, seed: int = 0) -> dict[int, float]:
    """Costs of an arm: blocks shake all arms together (shared seed), and each arm a little by itself."""
    shared, own = random.Random(99), random.Random(seed)
    return {i: middle * shared.lognormvariate(0, 0.1) * own.lognormvariate(0, noise) for i in range(count)}


TWINS = (blocks(1.0, seed=101), blocks(1.0, seed=102))


def test_a_clear_winner_is_named_though_blocks_shake_more_than_arms_differ() -> None:
    costs = {"fast": blocks(1.0, seed=1), "slow": blocks(1.10, seed=2), "slower": blocks(1.3, seed=3)}
    decision = decide(costs, twins=TWINS, seed=1)
    assert decision.named
    assert decision.members == ("fast",)
    assert [rival.arm for rival in decision.rivals] == ["fast", "slow", "slower"]
    assert decision.rivals[1].low < decision.rivals[1].log_ratio < decision.rivals[1].high


def test_equals_are_a_set_and_no_winner_is_named() -> None:
    costs = {"a": blocks(1.0, seed=1), "b": blocks(1.001, seed=2), "slow": blocks(1.5, seed=3)}
    decision = decide(costs, twins=TWINS, seed=1)
    assert not decision.named
    assert set(decision.members) == {"a", "b"}


def test_within_the_noise_floor_nothing_is_beaten() -> None:
    steady = {"a": blocks(1.0, noise=1e-5, seed=1), "b": blocks(1.02, noise=1e-5, seed=2)}
    assert decide(steady, twins=None, seed=1).named
    shaky = (blocks(1.0, seed=3, noise=0.08), blocks(1.0, seed=4, noise=0.08))
    decision = decide(steady, twins=shaky, seed=1)
    assert decision.noise.floor > 0.02
    assert not decision.named


def test_a_run_that_tells_a_pipeline_from_itself_is_inconclusive() -> None:
    costs = {"fast": blocks(1.0, seed=1), "slow": blocks(3.0, seed=2)}
    decision = decide(costs, twins=(blocks(1.0, seed=5), blocks(1.06, seed=6)), seed=1)
    assert decision.noise.differs
    assert not decision.named
    assert "inconclusive: environment" in decision.why
    assert decision.best == "fast"


def test_too_few_blocks_name_no_winner() -> None:
    costs = {"fast": blocks(1.0, count=3, seed=1), "slow": blocks(9.0, count=3, seed=2)}
    decision = decide(costs, twins=None, seed=1)
    assert not decision.named
    assert decision.members == ("fast",)
    assert "only 3 complete blocks" in decision.why


def test_one_block_names_nothing_and_is_not_taken_for_costs_that_do_not_vary() -> None:
    decision = decide({"a": {0: 1.0}, "b": {0: 9.0}}, twins=({0: 1.0}, {0: 1.5}), seed=1)
    assert not decision.conclusive
    assert not decision.noise.differs
    assert "only 1 complete blocks" in decision.why


def test_costs_that_do_not_vary_are_compared_as_they_are() -> None:
    sizes = {name: dict.fromkeys(range(3), value) for name, value in (("a", 100.0), ("b", 100.0), ("c", 101.0))}
    decision = decide(sizes, twins=None, seed=1)
    assert set(decision.members) == {"a", "b"}
    assert decision.conclusive


def test_only_complete_blocks_count() -> None:
    costs = {"a": blocks(1.0, count=12, seed=1), "b": dict.fromkeys(range(4, 12), 2.0)}
    assert decide(costs, twins=None, seed=1).blocks == 8
    with pytest.raises(ValueError, match="no block has every arm"):
        decide({"a": {0: 1.0}, "b": {1: 1.0}}, twins=None, seed=1)


def test_the_same_data_give_the_same_decision() -> None:
    costs = {str(i): blocks(1 + i / 100, seed=i) for i in range(5)}
    assert decide(costs, twins=TWINS, seed=7) == decide(dict(reversed(costs.items())), twins=TWINS, seed=7)


def test_without_a_twin_the_floor_is_not_known() -> None:
    assert noise_floor(None, seed=1).log_ratio is None


def test_false_alarms_on_equal_arms_are_rare() -> None:
    named = 0
    for run in range(40):
        costs = {str(i): blocks(1.0, count=8, noise=0.02, seed=1000 * run + i) for i in range(4)}
        twins = (blocks(1.0, count=8, noise=0.02, seed=1000 * run + 50), blocks(1.0, count=8, noise=0.02, seed=run))
        named += decide(costs, twins=twins, seed=run).named
    assert named <= 2


def test_ties_break_by_memory_then_bytes_then_dependencies_then_name() -> None:
    mib = 2**20
    assert tie_break({"a": Member(None, 1, 1)}) == ("a", "measurement")
    low = {"a": Member(50 * mib, 9, 2), "b": Member(90 * mib, 1, 1), "c": Member(90 * mib, 1, 1)}
    assert tie_break(low) == ("a", "tie-break: lower peak memory")
    near = {"a": Member(50 * mib, 9, 1), "b": Member(52 * mib, 8, 2)}
    assert tie_break(near) == ("b", "tie-break: fewer stored bytes")
    even = {"a": Member(mib, 9, 2), "b": Member(mib, 9, 1)}
    assert tie_break(even) == ("b", "tie-break: fewer dependencies")
    assert tie_break({"c": Member(mib, 9, 1), "b": Member(mib, 9, 1)}) == ("b", "tie-break: name")
    assert tie_break({"b": Member(None, 1, 1), "c": Member(mib, 1, 1)})[0] == "c"
    assert tie_break({"b": Member(None, 2, 1), "c": Member(None, 1, 1)})[0] == "c"


def test_ratios_are_paired_within_blocks() -> None:
    assert paired_ratio({0: 4.0, 1: 40.0, 2: 1.0}, {0: 2.0, 1: 20.0, 9: 5.0}) == 2.0
    assert paired_ratio({0: 1.0}, {1: 1.0}) is None
