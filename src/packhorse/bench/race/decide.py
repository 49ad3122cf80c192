"""Deciding the finals, pure: from samples to a verdict on every row, and a choice. No measuring here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packhorse.bench.race.record_types import Leaver, RowVerdict
from packhorse.bench.race.score import Cost
from packhorse.bench.race.spec import Sample
from packhorse.bench.stats.against_best import ALPHA, Against, Standing, processes_to_decide, stand
from packhorse.bench.stats.rounds import by_process

#: Arms whose interval ends below this are as fast as the best, for any purpose: a tie is an answer.
TIE_RATIO = 0.10
#: A race that could not have seen a difference of this size has no answer.
BLIND_RATIO = 0.25
#: Estimates within this of the lowest count as equal where one of the set is chosen.
EQUAL_RATIO = 0.01
#: Peak memory of one pipeline differs by about this part from process to process.
EQUAL_MEMORY = 0.10

#: Arm → process → costs, round by round.
Costs = Mapping[str, Mapping[int, Sequence[float]]]


def costs(samples: Iterable[Sample], cost: Cost, names: Iterable[str]) -> Costs:
    """Costs of the counted samples of some arms."""
    wanted = set(names)
    found: dict[str, dict[int, list[float]]] = {name: {} for name in names}
    for sample in samples:
        if sample.arm in wanted and sample.counted:
            found[sample.arm].setdefault(sample.process, []).append(cost(sample))
    return {name: by for name, by in found.items() if by}


@dataclass(frozen=True, slots=True)
class Member:
    """What the choice within a set knows of a member, all of it beside the objective.

    Attributes:
        log_ratio: Log cost over the best one's.
        peak_bytes: Peak memory; None where it was not measured.
        dependencies: Distributions to install.
    """

    log_ratio: float
    peak_bytes: int | None
    dependencies: int


def choose(members: Mapping[str, Member]) -> tuple[str, str]:
    """Choose within a set: the lower median, then lower peak memory, then fewer distributions; never the alphabet.

    Medians within :data:`EQUAL_RATIO` of the lowest count as equal, and so does memory within :data:`EQUAL_MEMORY`.
    What is still equal then is parted by the median again, to the last digit.

    Returns:
        The chosen arm, and ``measurement`` or ``tie: …`` naming the rule that decided.

    Raises:
        ValueError: Nobody to choose from.
    """
    if len(members) == 1:
        return next(iter(members)), "measurement"
    lowest = min(member.log_ratio for member in members.values())
    left = {name: one for name, one in members.items() if one.log_ratio - lowest <= math.log1p(EQUAL_RATIO)}
    if len(left) == 1:
        return next(iter(left)), "tie: lowest median"
    peaks = [one.peak_bytes for one in left.values() if one.peak_bytes is not None]
    if len(peaks) == len(left):
        least = min(peaks)
        left = {name: one for name, one in left.items() if (one.peak_bytes or 0) <= least * (1 + EQUAL_MEMORY)}
        if len(left) == 1:
            return next(iter(left)), "tie: lower peak memory"
    fewest = min(one.dependencies for one in left.values())
    left = {name: one for name, one in left.items() if one.dependencies == fewest}
    rule = "tie: fewer dependencies" if len(left) == 1 else "tie: lowest median"
    return min(left, key=lambda name: left[name].log_ratio), rule


@dataclass(frozen=True, slots=True)
class Decision:
    """What the samples say by one cost.

    Attributes:
        standing: Everybody still in the race against the best.
        verdicts: Arm → its verdict, those that left early included.
        members: The set, the cheapest first.
        choice, decided_by: See :func:`choose`.
        processes: Processes that decided.
    """

    standing: Standing
    verdicts: Mapping[str, RowVerdict]
    members: tuple[str, ...]
    choice: str
    decided_by: str
    processes: int

    @property
    def blind(self) -> bool:
        """Whether even a difference of 25 % could not have been seen."""
        return len(self.standing.arms) > 1 and not self.standing.half_width <= math.log1p(BLIND_RATIO)


@dataclass(frozen=True, slots=True)
class Question:
    """How a decision is to be made.

    Attributes:
        alpha: Error of all intervals together.
        leavers: Arms that left at a look, with what it found: that stays their verdict.
        members: What the choice has to know of each arm.
        process_s: Seconds that a process of the finals takes, for the time that would decide a row.
    """

    alpha: float = ALPHA
    leavers: Sequence[Leaver] = ()
    members: Mapping[str, Member] = field(default_factory=dict)
    process_s: float | None = None


def decide(found: Costs, question: Question) -> Decision | None:
    """Decide by one cost; None where no arm was measured."""
    left = {leaver.arm for leaver in question.leavers}
    measured = by_process({name: by for name, by in found.items() if name not in left})
    if not measured.table:
        return None
    table, standing = measured.table, stand(measured, question.alpha)
    members = standing.members
    known = {
        name: Member(
            standing.arms[name].log_ratio,
            question.members[name].peak_bytes if name in question.members else None,
            question.members[name].dependencies if name in question.members else 0,
        )
        for name in members
    }
    choice, decided_by = choose(known)
    processes = max(map(len, table.values()))
    verdicts = {
        name: _verdict(name, against, standing.best, (len(table[name]), choice), question.process_s)
        for name, against in standing.arms.items()
    }
    verdicts |= {one.arm: _left(one, found.get(one.arm, {})) for one in question.leavers if one.arm in found}
    return Decision(standing, verdicts, members, choice, decided_by, processes)


def _verdict(name: str, against: Against, best: str, at: tuple[int, str], process_s: float | None) -> RowVerdict:
    processes, choice = at
    more_s = None
    if not against.in_set:
        word, text = "slower", slower(against.low, against.high)
    elif name == choice:
        word, text = "fastest", "fastest"
    elif against.high <= math.log1p(TIE_RATIO):
        word, text = "as fast", f"as fast within {percent(against.high)}"
    else:
        word, text = "undecided", "undecided"
        needed = processes_to_decide(against, processes, math.log1p(TIE_RATIO))
        if needed is not None and process_s:
            more_s = (needed - processes) * process_s
            text = f"undecided; {duration(more_s)} more would tell"
    return RowVerdict(
        word=word,  # type: ignore[arg-type]
        text=text,
        log_ratio=against.log_ratio,
        low=_finite(against.low),
        high=_finite(against.high),
        over=best,
        processes=processes,
        more_s=more_s,
    )


def _left(leaver: Leaver, by_round: Mapping[int, Sequence[float]]) -> RowVerdict:
    return RowVerdict(
        word="slower",
        text=slower(leaver.low, leaver.high),
        log_ratio=leaver.log_ratio,
        low=leaver.low,
        high=leaver.high,
        over=leaver.over,
        processes=len(by_round),
    )


def leavers(found: Costs, alpha: float, protected: frozenset[str]) -> tuple[Standing | None, list[Leaver]]:
    """Who is beaten at a look, the protected aside; and how everybody stands."""
    processes = by_process(found)
    if not processes.table:
        return None, []
    standing = stand(processes, alpha)
    beaten = [
        Leaver(name, standing.best, against.log_ratio, against.low, against.high)
        for name, against in standing.arms.items()
        if not against.in_set and name not in protected
    ]
    return standing, beaten


def slower(low: float, high: float) -> str:
    """``slower by 3–8 %``; in times from twice as slow on."""
    if low >= math.log(2):
        return f"slower {math.exp(low):.1f}–{math.exp(high):.1f} ×"
    ends = [f"{100 * math.expm1(end):.0f}" for end in (low, high)]
    if ends[0] == "0":
        ends[0] = "<1"
    return f"slower by {ends[0]}–{ends[1]} %" if ends[0] != ends[1] else f"slower by {ends[0]} %"


def percent(log_ratio: float) -> str:
    """``4 %``, rounded up, since it is a bound."""
    return f"{max(1, math.ceil(100 * math.expm1(log_ratio))):.0f} %"


def duration(seconds: float) -> str:
    """``40 s``, ``3 min``, ``2 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds)):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
