"""The answer, as the page gives it first: what won, by how much, how sure that is, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from packhorse.bench.report.html import facts
from packhorse.bench.report.markdown import headline
from packhorse.bench.report.text import bytes_, percent, rate, seconds, times

Record = dict[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """One figure of the answer: what it is, its value with unit, and what it stands on."""

    title: str
    value: str
    about: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The page's first part.

    Attributes:
        headline: The verdict in words that the pipeline follows.
        pipeline: The chosen pipeline; empty where there is none.
        in_flight: How many captures it has in flight.
        others: The other arms of the winner set.
        cards: Its figures.
        confidence: Sentences on how sure this is.
        publish: Shell command that makes a profile of it.
        use: Three lines of Python.
    """

    headline: str
    pipeline: str
    in_flight: int
    others: tuple[str, ...]
    cards: tuple[Card, ...]
    confidence: tuple[str, ...]
    publish: str
    use: str


PUBLISH = """# DIR is this report's folder
packhorse publish DIR --to my-profile.toml"""
USE = """from packhorse import Uploader
with Uploader("s3://bucket/prefix", profile="my-profile.toml") as up:
    ticket = up.submit(capture)"""


def answer(record: Record) -> Answer:
    """The answer of a record. Figures are of the captures that the race had not seen, where it measured on some."""
    winner = record["winner"]
    named = winner["pipeline"] is not None
    held_out = record["held_out"]["results"]
    rows = held_out if facts.chosen(held_out, record) else record["results"]
    row = facts.chosen(rows, record)
    mine = facts.chosen(record["results"], record)
    return Answer(
        headline=_headline(record),
        pipeline=winner["pipeline"] or "",
        in_flight=winner.get("in_flight") or 0,
        others=tuple(arm for arm in winner.get("set_arms", ()) if not mine or arm != mine["arm"]),
        cards=tuple(_cards(record, row, rows, mine)) if row and row["captures_per_s"] else (),
        confidence=tuple(_confidence(record, again=rows is held_out)),
        publish=PUBLISH if named else "",
        use=USE if named else "",
    )


def _headline(record: Record) -> str:
    """As :func:`packhorse.bench.report.markdown.headline`, without the pipeline, which the page shows below it."""
    winner = record["winner"]
    if winner["pipeline"] is None:
        return headline(record)
    if record["interrupted"]:
        return "No winner is named, since the race was interrupted; ahead so far:"
    if not winner["conclusive"]:
        return f"No winner is named ({winner['why']}); ahead so far:"
    if winner["named"]:
        return f"Winner by {record['objective']}:"
    count = len(winner["set_arms"])
    return f"{count} pipelines cannot be told apart by {record['objective']}. Chosen ({winner['decided_by']}):"


def _cards(record: Record, row: Row, rows: list[Row], mine: Row | None) -> Iterator[Card]:
    for title, role in (("× original design", "reference"), ("× common stack", "common")):
        other = facts.of_role(rows, role)
        against = facts.ratio(row, other)
        if against and other:
            yield Card(title, times(against.value), f"{_interval(against)}; {other['pipeline']} @{other['in_flight']}")
    speed = f"{bytes_(row['raw_bytes_per_s'])}/s of raw capture, {row['in_flight']} in flight"
    yield Card("captures/s", rate(row["captures_per_s"]), speed)
    share = row["bytes_out"] * row["captures_per_s"] / row["raw_bytes_per_s"]
    yield Card("stored/capture", bytes_(row["bytes_out"]), f"{percent(share)} of the compact JSON")
    yield Card("CPU/capture", seconds(row["cpu_s"]), "the client's, all threads")
    if mine and mine["peak_rss_bytes"] is not None:
        yield Card("peak memory", bytes_(mine["peak_rss_bytes"]), "above the loaded captures")
    dollars = facts.usd_per_million(row, record)
    tariff = facts.tariff_of(record)
    if dollars is not None:
        kept = f"CPU, PUT and {tariff.retention_days:g} days of storage; {tariff.name}"
        yield Card("$ per million", f"${dollars:.3g}", kept)


def _interval(against: facts.Ratio) -> str:
    if against.low is None or against.high is None:
        return f"{against.blocks} block{'s' if against.blocks != 1 else ''}: too few for an interval"
    return f"95 %: {times(against.low)} to {times(against.high)}"


def _confidence(record: Record, *, again: bool) -> Iterator[str]:
    winner, noise = record["winner"], record["noise"] or {}
    if winner["pipeline"] is None:
        return
    yield f"Decided over {winner['blocks']} blocks; how: {winner['method']}."
    if noise.get("floor") is not None:
        twin = percent(math.expm1(noise["log_ratio"])) if noise.get("log_ratio") is not None else "–"
        floor = percent(math.expm1(noise["floor"]))
        yield f"Noise floor {floor}: one pipeline under two names differed by {twin} over {noise['blocks']} blocks."
    else:
        yield "No A/A arm was measured: the noise floor is not known."
    if noise.get("differs"):
        yield "The A/A arms differ: no verdict of this run can be relied on."
    yield (
        f"Figures were measured again in fresh processes: {record['held_out']['note']}."
        if again
        else "Figures are the race's own, which flatter a winner: they were not measured again."
    )
    if record["quick"]:
        yield "A quick race, of few blocks: run without --quick before publishing."
