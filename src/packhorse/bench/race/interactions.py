"""Interactions between stages, pure: what the stages' own screening predicts of a pipeline, against what it did.

The prediction exchanges one stage of the yardstick at a time. A stage's ratio is the whole's predicted cost with that
stage exchanged over the yardstick's predicted cost; the store's is measured behind the best CPU pipeline. Their product
is what the pipeline would cost, were stages independent. Where the race says otherwise, stages interact: they wait for
each other's memory, interpreter lock or output, and the fastest stages do not make the fastest pipeline.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import numpy as np

from packhorse.bench.race.cost import Tariff
from packhorse.bench.race.decide import LEAST_BLOCKS, interval, paired_ratio
from packhorse.bench.race.lineup import TWIN
from packhorse.bench.race.options import Objective
from packhorse.bench.race.score import PutPrice, predicted_cost, upload_cost
from packhorse.bench.race.spec import Sample
from packhorse.pipeline import Pipeline

#: A prediction may miss by this, in log units, beside interval and noise floor: stages are screened in few blocks.
TOLERANCE = math.log(1.05)
#: base64 writes four bytes for three.
_BASE64_GROWTH = 4 / 3

Row = Mapping[str, Any]
Cost = Callable[[Sample], float]


def interactions(record: Row, objective: Objective, tariff: Tariff | None = None) -> list[dict[str, Any]]:
    """Predicted and measured cost of every finalist over the yardstick, best measured first.

    Args:
        record: Of a race; its results hold samples, its stages the screening.
        objective: What counts. Memory is not predicted.
        tariff: Prices for ``cost``.

    Returns:
        Rows of the record's ``interactions``; empty where stages were not screened or no A/A arm ran.
    """
    twin = next((row for row in record["results"] if row["role"] == "aa-twin" and row["samples"]), None)
    ceiling = record["target"].get("ceiling")
    if objective is Objective.MEMORY or twin is None or ceiling is None:
        return []
    price = PutPrice(**{key: ceiling[key] for key in ("wall_s", "wall_s_per_byte", "cpu_s", "cpu_s_per_byte")})
    cores = record["machine"].get("cores_usable") or 1
    screening = _Screening(record["stages"], predicted_cost(objective, price, cores=cores, tariff=tariff))
    cost = upload_cost(objective, tariff)
    costs = {row["arm"]: _by_block(row, cost) for row in record["results"] if row["samples"]}
    name = twin["arm"].removesuffix(TWIN)
    base = next((row for row in record["results"] if row["arm"] == name and row["samples"]), None)
    if base is None:
        return []
    floor = (record["noise"] or {}).get("floor") or 0.0
    found = []
    for row in record["results"]:
        if row["role"] != "candidate" or row["arm"] in (name, twin["arm"]) or not row["samples"]:
            continue
        ratios = screening.ratios(row, base, cost)
        shared = sorted(set(costs[row["arm"]]) & set(costs[name]))
        if ratios is not None and shared:
            logs = np.log([costs[row["arm"]][block] / costs[name][block] for block in shared])
            one = _row(row, name, ratios, interval(logs, seed=record["seed"]), floor)
            # Of fewer blocks nothing is claimed; the figures are shown all the same.
            enough = len(shared) >= LEAST_BLOCKS
            found.append({**one, "interaction": one["interaction"] and enough, "reversed": one["reversed"] and enough})
    return sorted(found, key=lambda one: (one["measured"], one["arm"]))


def _row(
    row: Row, over: str, ratios: dict[str, float], measured: tuple[float, float, float], floor: float
) -> dict[str, Any]:
    estimate, low, high = measured
    predicted = math.prod(ratios.values())
    slack = floor + TOLERANCE
    missed = not low - slack <= math.log(predicted) <= high + slack
    return {
        "arm": row["arm"],
        "pipeline": row["pipeline"],
        "in_flight": row["in_flight"],
        "over": over,
        "stages": ratios,
        "predicted": predicted,
        "measured": math.exp(estimate),
        "low": math.exp(low),
        "high": math.exp(high),
        "interaction": missed,
        "reversed": missed and ((low > floor and predicted < 1) or (high < -floor and predicted > 1)),
    }


class _Screening:
    """The screening's tables, asked for the ratio of each stage."""

    def __init__(self, stages: Mapping[str, list[Row]], cost: Cost) -> None:
        self._cost = cost
        self._alone = {
            (stage, row["candidate"]): _middle(row)
            for stage in ("encode", "compress", "base64")
            for row in stages.get(stage, ())
            if row["samples"] and not row.get("error")
        }
        self._stores = {row["candidate"]: row for row in stages.get("stores", ()) if row["samples"]}

    def ratios(self, row: Row, base: Row, cost: Cost) -> dict[str, float] | None:
        """Stage → ratio over the yardstick; None where a stage was not screened."""
        mine, yard = Pipeline.parse(row["pipeline"]), Pipeline.parse(base["pipeline"])
        ours = [str(mine.encode_with), str(mine.compress), str(mine.base64)]
        theirs = [str(yard.encode_with), str(yard.compress), str(yard.base64)]
        whole = self._whole(theirs)
        store = self._store(row, base, cost)
        if whole is None or store is None:
            return None
        ratios = {}
        for place, stage in enumerate(("encode", "compress", "base64")):
            exchanged = self._whole([*theirs[:place], ours[place], *theirs[place + 1 :]])
            if exchanged is None:
                return None
            ratios[stage] = exchanged / whole
        return {**ratios, "store": store}

    def _whole(self, texts: list[str]) -> float | None:
        """Predicted cost of a whole CPU pipeline from its stages alone."""
        encode, compress = self._alone.get(("encode", texts[0])), self._alone.get(("compress", texts[1]))
        if encode is None or compress is None:
            return None
        wall_s, cpu_s = encode[0] + compress[0], encode[1] + compress[1]
        stored = compress[2]
        if texts[2] != "raw":
            carry = self._alone.get(("base64", texts[2]))
            if carry is None:
                return None
            # It was screened on other bytes; its cost is by the byte.
            stored *= _BASE64_GROWTH
            wall_s, cpu_s = wall_s + carry[0] * stored / carry[2], cpu_s + carry[1] * stored / carry[2]
        return float(self._cost(_sample(wall_s, cpu_s, stored)))

    def _store(self, row: Row, base: Row, cost: Cost) -> float | None:
        """Measured ratio of two clients at their levels, behind the pipeline that all clients were raced behind."""
        pair = [self._client(one) for one in (row, base)]
        if row["arm"].rsplit(" | ", 1)[1] == base["arm"].rsplit(" | ", 1)[1]:
            return 1.0
        if pair[0] is None or pair[1] is None:
            return None
        return paired_ratio(_by_block(pair[0], cost), _by_block(pair[1], cost))

    def _client(self, row: Row) -> Row | None:
        # The arm's name has the client as it was raced, before its pool was sized to the concurrency.
        ending = f"| {row['arm'].rsplit(' | ', 1)[1]}"
        return next((one for name, one in self._stores.items() if name.endswith(ending)), None)


def _middle(row: Row) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and bytes per capture: medians over blocks."""
    samples = [Sample.from_dict(data) for data in row["samples"]]
    return (
        median(s.wall_s / s.captures for s in samples),
        median(s.cpu_s / s.captures for s in samples),
        median(s.bytes_out / s.captures for s in samples),
    )


def _sample(wall_s: float, cpu_s: float, stored: float) -> Sample:
    """A sample of one capture that never was; user time carries all CPU time."""
    return Sample("predicted", 0, 1, 1, wall_s, cpu_s, 0.0, 0.0, 0, round(stored), 0, 0.0, 0.0)


def _by_block(row: Row, cost: Cost) -> dict[int, float]:
    samples = [Sample.from_dict(data) for data in row["samples"]]
    return {sample.block: max(cost(sample), 1e-12) for sample in samples}
