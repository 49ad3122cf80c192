"""Compressors that a race screened out by its own objective, though another objective would have kept them."""

from __future__ import annotations

from typing import Any

from packhorse.bench.race.cost import Tariff
from packhorse.bench.race.options import Objective
from packhorse.bench.race.score import PutPrice, predicted_cost, upload_cost
from packhorse.bench.race.spec import Sample
from packhorse.pipeline import Pipeline

#: Part of the winner's whole cost that has to be saved to be worth a mention.
WORTH = 0.02


def overlooked(record: dict[str, Any], objective: Objective, tariff: Tariff | None = None) -> list[str]:
    """Compressors that are predicted to make the winner's pipeline cheaper, best first.

    The prediction exchanges the compressor alone: its own figures from the screening, and what putting its bytes costs
    at the race's target. It is a hint to race, not a result.

    Args:
        record: A record whose winner is by ``objective``.
        objective: What counts; memory is not measured for stages alone, so it has no prediction.
        tariff: Prices for ``cost``.

    Returns:
        Compressors as in a pipeline's text; empty also when the record has no winner, no screening or no ceiling.
    """
    ceiling = record["target"].get("ceiling")
    screened = {
        row["candidate"]: Sample.from_dict(row["samples"][0] | _medians(row))
        for row in record["stages"].get("compress", ())
        if row["samples"] and not row.get("error")
    }
    text = record["winner"]["pipeline"]
    won = next((row for row in record["results"] if row["pipeline"] == text and row["samples"]), None)
    if objective is Objective.MEMORY or ceiling is None or won is None:
        return []
    mine = str(Pipeline.parse(text).compress)
    if mine not in screened:
        return []
    price = PutPrice(**{key: ceiling[key] for key in ("wall_s", "wall_s_per_byte", "cpu_s", "cpu_s_per_byte")})
    cores = record["machine"].get("cores_usable") or 1
    cost = predicted_cost(objective, price, cores=cores, tariff=tariff)
    whole = upload_cost(objective, tariff)(Sample.from_dict(won["samples"][0]))
    raced = {str(Pipeline.parse(row["pipeline"]).compress) for row in record["results"] if row["samples"]}
    saved = {name: cost(screened[mine]) - cost(sample) for name, sample in screened.items() if name not in raced}
    return [name for name in sorted(saved, key=lambda name: -saved[name]) if saved[name] > WORTH * whole]


def _medians(row: dict[str, Any]) -> dict[str, Any]:
    """One sample of one capture that stands for the row. User time carries all CPU time."""
    figures = {"captures": 1, "rounds": 1, "wall_s": row["wall_s"], "user_s": row["cpu_s"], "system_s": 0.0}
    return {**figures, "bytes_out": row["bytes_out"]}
