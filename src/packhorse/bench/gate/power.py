"""Power and false alarms of the gate, from the self-test's recorded samples. Pure: equal records, equal figures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from packhorse.bench.gate.config import DEFAULT_BLOCKS
from packhorse.bench.gate.measure import ALARM_BLOCKS, HEAD, paired
from packhorse.bench.gate.record import Timing
from packhorse.bench.stats.gate import GateRule, GateState, RowData, mean_interval, two_passes

CPU, END_TO_END = "CPU stages", "end to end"
MARGINS = {CPU: 0.01, END_TO_END: 0.02}
PLANTED = (0.01, 0.02, 0.03, 0.05, 0.10)
#: What METHOD asks for: row → the slowdown that has to be found in :data:`POWER_GOAL` of all gates.
GOALS = {CPU: 0.03, END_TO_END: 0.05}
POWER_GOAL, FALSE_ALARM_GOAL = 0.90, 0.01
RUN_BLOCKS = 4
DRAWN_GATES = 400
#: One less the confidence of a share's limits.
LIMIT = 0.05

Rows = Mapping[str, RowData]


def arm(ratio: float) -> str:
    """Name of the arm with a planted slowdown."""
    return f"planted {ratio:+.0%}"


def figures(record: Mapping[str, Any], *, gates: int = DRAWN_GATES) -> dict[str, Any]:
    """All that the samples say: ``drawn``, ``consecutive``, ``achieved``, ``loaded``, ``noise`` and ``verdict``.

    Args:
        record: The self-test's, with ``timings`` and ``seed``.
        gates: How many are drawn for each condition.
    """
    timings = msgspec.convert(record["timings"], list[Timing])
    names = list(MARGINS)
    quiet = {name: paired(timings, names, 1, head=name) for name in (HEAD, *(arm(ratio) for ratio in PLANTED))}
    loaded = paired(timings, names, 2)
    seed = int(record["seed"])
    conditions = _conditions(quiet)
    drawn = [label | _outcomes(_drawn(rows, seed, gates, exchange=label["row"] is None)) for label, rows in conditions]
    under_load = _outcomes(_drawn(loaded, seed, gates, exchange=True))
    return {
        "achieved": _achieved(quiet),
        "drawn": drawn,
        "consecutive": [label | _consecutive(rows) for label, rows in conditions],
        "loaded": {"drawn": under_load, "one_gate": _consecutive(loaded)},
        "noise": {name: _noise(quiet[HEAD][name]) for name in names}
        | {f"{name}, loaded": _noise(loaded[name]) for name in names},
        "verdict": verdict(drawn, under_load),
    }


def _conditions(quiet: Mapping[str, Rows]) -> list[tuple[dict[str, Any], Rows]]:
    """Nothing planted; and every slowdown in either row, the other one being as it is."""
    found: list[tuple[dict[str, Any], Rows]] = [({"row": None, "planted_ratio": 0.0}, quiet[HEAD])]
    for row in MARGINS:
        for ratio in PLANTED:
            label = {"row": row, "planted_ratio": ratio}
            found.append((label, {**quiet[HEAD], row: quiet[arm(ratio)][row]}))
    return found


def _drawn(rows: Rows, seed: int, gates: int, *, exchange: bool) -> list[GateState]:
    """Gates whose blocks are drawn from all that were measured.

    Where base, base again and head are one tree, the three are exchanged by chance within each block: what is left of a
    difference in so many blocks is chance too, and drawing from it again and again would take it for a slowdown.
    """
    rng = np.random.default_rng(seed)

    def draw() -> Rows:
        drawn = _draw(rows, rng)
        return _exchanged(drawn, rng) if exchange else drawn

    return [_gate(draw(), draw()) for _ in range(gates)]


def _exchanged(rows: Rows, rng: np.random.Generator) -> dict[str, RowData]:
    blocks = min(np.asarray(row.change_over_base).size for row in rows.values())
    roles = rng.permuted(np.tile(np.arange(3), (blocks, 1)), axis=1)
    found = {}
    for name, row in rows.items():
        again_over, change = np.asarray(row.base_over_base), np.asarray(row.change_over_base)
        logs = np.stack([np.zeros_like(change), again_over, change], axis=1)
        once, again, head = np.take_along_axis(logs, roles, axis=1).T
        found[name] = RowData(head - once, again - once)
    return found


def _draw(rows: Rows, rng: np.random.Generator) -> Rows:
    count = min(np.asarray(row.change_over_base).size for row in rows.values())
    run = min(RUN_BLOCKS, count)
    starts = rng.integers(0, count - run + 1, size=math.ceil(DEFAULT_BLOCKS / run))
    picked = np.concatenate([np.arange(start, start + run) for start in starts])[:DEFAULT_BLOCKS]
    return _pick(rows, picked)


def _consecutive(rows: Rows) -> dict[str, Any]:
    """Outcomes of gates on blocks in the order measured, each block used once."""
    count = min(np.asarray(row.change_over_base).size for row in rows.values())
    windows = [
        np.arange(start, start + DEFAULT_BLOCKS)
        for start in range(0, count - 2 * DEFAULT_BLOCKS + 1, 2 * DEFAULT_BLOCKS)
    ]
    return _outcomes([_gate(_pick(rows, window), _pick(rows, window + DEFAULT_BLOCKS)) for window in windows])


def _pick(rows: Rows, blocks: Sequence[int] | np.ndarray[Any, Any]) -> dict[str, RowData]:
    return {
        name: RowData(np.asarray(row.change_over_base)[blocks], np.asarray(row.base_over_base)[blocks])
        for name, row in rows.items()
    }


def _gate(first: Rows, second: Rows) -> GateState:
    def measured(names: Sequence[str], number: int) -> Rows:
        """As a gate measures: the base runs twice in the first blocks alone."""
        whole = first if number == 1 else second
        return {
            name: RowData(whole[name].change_over_base, np.asarray(whole[name].base_over_base)[:ALARM_BLOCKS])
            for name in names
        }

    return two_passes(measured, list(first), GateRule(margins=MARGINS))


def _outcomes(states: Sequence[GateState]) -> dict[str, Any]:
    codes = Counter(state.exit_code for state in states)
    rows = {name: Counter(str(state.rows[name].outcome) for state in states) for name in MARGINS}
    return {
        "gates": len(states),
        "passed": codes[0],
        "regressed": codes[1],
        "unresolved": codes[3],
        "rows": {name: dict(sorted(counts.items())) for name, counts in rows.items()},
    }


def _achieved(quiet: Mapping[str, Rows]) -> list[dict[str, Any]]:
    """The planted slowdowns as all blocks together show them."""
    return [
        {"row": row, "planted_ratio": ratio, **_noise(quiet[arm(ratio)][row], change=True)}
        for row in MARGINS
        for ratio in PLANTED
    ]


def _noise(row: RowData, *, change: bool = False) -> dict[str, float]:
    values = np.asarray(row.change_over_base if change else row.base_over_base)
    centre, low, high = (math.exp(end) for end in mean_interval(values, 0.95))
    return {
        "ratio": centre,
        "low": low,
        "high": high,
        "sd_log": float(values.std(ddof=1)),
        "half_within_log": float(np.quantile(np.abs(values - np.median(values)), 0.5)),
        "blocks": float(values.size),
    }


def verdict(drawn: Sequence[Mapping[str, Any]], loaded: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the goals are met, by the unlucky end of what so many gates can show and not by their share.

    Ends of shares are exact one-sided 95 % limits (Clopper and Pearson) of the drawing: they bound what so many gates
    drawn from these blocks can be off, and not how other blocks would differ.
    """
    none = next(item for item in drawn if item["row"] is None)
    power, power_lower = {}, {}
    for row, ratio in GOALS.items():
        item = next(i for i in drawn if i["row"] == row and i["planted_ratio"] == ratio)
        found = item["rows"][row].get("regressed", 0)
        power[row], power_lower[row] = found / item["gates"], share_lower(found, item["gates"])
    alarms_upper = share_upper(none["regressed"], none["gates"])
    loaded_upper = share_upper(loaded["regressed"], loaded["gates"])
    return {
        "false_alarm_share": none["regressed"] / none["gates"],
        "false_alarm_upper": alarms_upper,
        "power": power,
        "power_lower": power_lower,
        "loaded_false_alarm_share": loaded["regressed"] / loaded["gates"],
        "loaded_false_alarm_upper": loaded_upper,
        "loaded_unresolved_share": loaded["unresolved"] / loaded["gates"],
        "goals_met": max(alarms_upper, loaded_upper) <= FALSE_ALARM_GOAL
        and all(lower >= POWER_GOAL for lower in power_lower.values()),
    }


def share_upper(found: int, runs: int) -> float:
    """Upper 95 % limit of a share of which ``found`` were seen in ``runs``."""
    return 1.0 if found == runs else _share(lambda share: _at_most(found, runs, share) > LIMIT)


def share_lower(found: int, runs: int) -> float:
    """Lower 95 % limit of a share of which ``found`` were seen in ``runs``."""
    return 0.0 if found == 0 else _share(lambda share: 1 - _at_most(found - 1, runs, share) < LIMIT)


def _share(below: Callable[[float], bool]) -> float:
    """The share up to which ``below`` holds, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


def _at_most(found: int, runs: int, share: float) -> float:
    """Chance of at most ``found`` of ``runs`` at this share."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return float(found >= runs)
    logs = (
        math.lgamma(runs + 1) - math.lgamma(k + 1) - math.lgamma(runs - k + 1)
        + k * math.log(share) + (runs - k) * math.log1p(-share)
        for k in range(found + 1)
    )  # fmt: skip
    return math.fsum(map(math.exp, logs))
