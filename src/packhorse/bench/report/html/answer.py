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
    """The answer of a record. Figures are those of the uploader as it is imported, where it was measured."""
    winner = record["winner"]
    named = winner["pipeline"] is not None
    return Answer(
        headline=_headline(record),
        pipeline=winner["pipeline"] or "",
        in_flight=winner["in_flight"] or 0,
        others=tuple(arm for arm in winner["set_arms"] if arm != winner["arm"]),
        cards=tuple(_cards(record)) if named and winner["captures_per_s"] else (),
        confidence=tuple(_confidence(record)),
        publish=PUBLISH if named else "",
        use=USE if named else "",
    )


def _headline(record: Record) -> str:
    """As :func:`packhorse.bench.report.markdown.headline`, without the pipeline, which the page shows below it."""
    winner = record["winner"]
    if winner["pipeline"] is None:
        return headline(record)
    if record["interrupted"]:
        return "Interrupted; ahead so far:"
    if not winner["conclusive"]:
        return f"No answer: {winner['why']}; ahead so far:"
    count = len(winner["set_arms"])
    if count == 1:
        return f"Best by {record['objective']}:"
    return f"{count} pipelines may be the best by {record['objective']}. Chosen ({winner['decided_by']}):"


def _cards(record: Record) -> Iterator[Card]:
    winner, published = record["winner"], record["published"]
    figures = winner["held_out"] or winner
    for title, name, role in (("× original design", "reference", "reference"), ("× common stack", "common", "common")):
        against = facts.times_over(record, name)
        preset = facts.of_role(record["results"], role)
        if against and preset:
            yield Card(
                title, times(against.value), f"{_interval(against)}; {preset['pipeline']} @{preset['in_flight']}"
            )
    what = "the uploader as it is imported" if published else "in the race"
    speed = f"{what}: {bytes_(figures['raw_bytes_per_s'])}/s of raw capture, {winner['in_flight']} in flight"
    yield Card("captures/s", rate(figures["captures_per_s"]), speed)
    share = figures["bytes_out"] * figures["captures_per_s"] / figures["raw_bytes_per_s"]
    yield Card("stored/capture", bytes_(figures["bytes_out"]), f"{percent(share)} of the compact JSON")
    yield Card("CPU/capture", seconds(figures["cpu_s"]), "the client's, all threads")
    if winner["peak_rss_bytes"] is not None:
        yield Card("peak memory", bytes_(winner["peak_rss_bytes"]), "above the loaded captures")
    dollars = facts.usd_per_million(figures, record)
    tariff = facts.tariff_of(record)
    if dollars is not None:
        kept = f"CPU, PUT and {tariff.retention_days:g} days of storage; {tariff.name}"
        yield Card("$ per million", f"${dollars:.3g}", kept)


def _interval(against: facts.Ratio) -> str:
    if against.low is None or against.high is None:
        return against.covers
    return f"95 %: {times(against.low)} to {times(against.high)}, over {against.covers}"


def _confidence(record: Record) -> Iterator[str]:
    winner = record["winner"]
    if winner["pipeline"] is None:
        return
    yield f"Decided over {winner['processes']} processes and {winner['rounds']} rounds, all arms in turns."
    if winner["half_width"] is not None:
        yield f"Intervals in the set are ± {percent(winner['half_width'])} wide, all of them at once at 95 %."
    if record["twin"] is not None:
        twin = record["twin"]
        said = "were told apart: believe no small difference" if twin["differs"] else "were not told apart"
        yield f"One pipeline under two names differed by {percent(abs(math.expm1(twin['log_ratio'])))}; the two {said}."
    if record["busy"]:
        yield "Busy machine: others disturbed more than a third of the rounds."
    yield (
        f"Figures are those of the uploader itself, on {record['published']['note']}."
        if record["published"]
        else "Figures are the race's own: the uploader was not measured."
    )
    if record["quick"]:
        yield "A quick race: run without --quick before publishing."
