"""From samples to verdicts and a choice: words, sides, and who is chosen among equals."""

from __future__ import annotations

import math
import random

from packhorse.bench.race.decide import (
    Member,
    Question,
    choose,
    costs,
    decide,
    duration,
    leavers,
    percent,
    slower,
)
from packhorse.bench.race.record_types import Leaver
from packhorse.bench.race.spec import Sample


def drawn(walls: dict[str, float], *, sd: float = 0.01, processes: int = 4, rounds: int = 6) -> list[Sample]:
    shake = random.Random(1)
    found = []
    for process in range(processes):
        for index in range(rounds):
            for arm, wall in walls.items():
                wall_s = wall * math.exp(shake.gauss(0, sd))
                found.append(Sample(arm, process, index, 1, 100, wall_s, wall_s, 0.0, 10))
    return found


def table(walls: dict[str, float], **more: float) -> object:
    return costs(drawn(walls, **more), lambda s: s.wall_s, walls)  # type: ignore[arg-type]


def test_every_row_gets_a_verdict_in_words_and_a_row_in_the_set_is_never_slower() -> None:
    found = decide(table({"a": 1.0, "b": 1.005, "c": 1.5, "d": 4.0}), Question())  # type: ignore[arg-type]
    assert found is not None
    words = {name: verdict.word for name, verdict in found.verdicts.items()}
    assert words == {
        found.choice: "fastest",
        "c": "slower",
        "d": "slower",
        **{n: "as fast" for n in "ab" if n != found.choice},
    }
    assert set(found.members) == {"a", "b"}
    for name, verdict in found.verdicts.items():
        assert (verdict.word == "slower") is (name not in found.members)
    assert found.verdicts["c"].text.startswith("slower by 4")
    assert found.verdicts["d"].text.startswith("slower 3.8–4.")
    assert not found.blind


def test_a_close_row_is_undecided_with_the_time_that_would_decide_it() -> None:
    noisy = table({"a": 1.0, "b": 1.02}, sd=0.2, processes=4, rounds=4)
    found = decide(noisy, Question(process_s=7.0))  # type: ignore[arg-type]
    assert found is not None
    close = found.verdicts["b"]
    assert close.word == "undecided"
    assert close.more_s is not None
    assert close.more_s % 7.0 == 0
    assert close.text == f"undecided; {duration(close.more_s)} more would tell"
    assert decide(noisy, Question()).verdicts["b"].text == "undecided"  # type: ignore[arg-type, union-attr]


def test_a_race_that_could_not_have_seen_a_quarter_is_blind() -> None:
    found = decide(table({"a": 1.0, "b": 1.0}, sd=0.5, processes=3, rounds=2), Question())  # type: ignore[arg-type]
    assert found is not None
    assert found.blind
    alone = decide(table({"a": 1.0}), Question())  # type: ignore[arg-type]
    assert alone is not None
    assert not alone.blind
    assert (alone.choice, alone.decided_by) == ("a", "measurement")


def test_rounds_that_do_not_count_decide_nothing() -> None:
    taken = drawn({"a": 1.0, "b": 1.0})
    wild = [Sample("b", 0, 9, 1, 100, 50.0, 50.0, 0.0, 10, counted=False)]
    assert costs([*taken, *wild], lambda s: s.wall_s, "ab") == costs(taken, lambda s: s.wall_s, "ab")


def test_who_left_at_a_look_keeps_that_looks_verdict() -> None:
    gone = Leaver("b", "a", 0.5, 0.4, 0.6)
    found = decide(table({"a": 1.0, "b": 1.0, "c": 1.0}), Question(leavers=[gone]))  # type: ignore[arg-type]
    assert found is not None
    assert "b" not in found.members
    assert "b" not in found.standing.arms
    assert found.verdicts["b"].text == slower(0.4, 0.6) == "slower by 49–82 %"
    assert found.verdicts["b"].over == "a"


def test_beaten_arms_leave_and_the_protected_stay() -> None:
    finals = table({"a": 1.0, "b": 1.5, "c": 1.6})
    standing, beaten = leavers(finals, 0.001, frozenset({"c"}))  # type: ignore[arg-type]
    assert standing is not None
    assert [one.arm for one in beaten] == ["b"]
    assert beaten[0].over == "a"
    assert 0 < beaten[0].low < math.log(1.5) < beaten[0].high
    assert leavers({}, 0.01, frozenset()) == (None, [])


def test_equals_are_parted_by_memory_then_by_dependencies_and_never_by_the_alphabet() -> None:
    assert choose({"a": Member(0.03, 10, 1), "b": Member(0.0, 99, 9)}) == ("b", "tie: lowest median")
    assert choose({"a": Member(0.005, 10, 3), "b": Member(0.0, 99, 1)}) == ("a", "tie: lower peak memory")
    assert choose({"a": Member(0.005, 99, 3), "b": Member(0.0, 100, 1)}) == ("b", "tie: fewer dependencies")
    assert choose({"a": Member(0.005, None, 1), "b": Member(0.0, 10, 3)}) == ("a", "tie: fewer dependencies")
    assert choose({"a": Member(0.004, 10, 1), "b": Member(0.0, 10, 1)}) == ("b", "tie: lowest median")
    assert choose({"z": Member(0.0, None, 1), "y": Member(1e-9, None, 1)})[0] == "z"
    assert choose({"only": Member(5.0, None, 9)}) == ("only", "measurement")


def test_figures_are_said_as_bounds() -> None:
    assert percent(math.log(1.021)) == "3 %"
    assert percent(0.0) == "1 %"
    assert slower(math.log(1.002), math.log(1.12)) == "slower by <1–12 %"
    assert slower(math.log(2.4), math.log(3.0)) == "slower 2.4–3.0 ×"
    assert slower(math.log(1.5), math.log(1.502)) == "slower by 50 %"
    assert [duration(s) for s in (0.2, 40, 600, 9000)] == ["1 s", "40 s", "10 min", "2 h"]
