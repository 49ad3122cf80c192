"""The answer, as the page gives it first: what won, by how much, how sure that is, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from packhorse.bench.race.objective import Objective
from packhorse.bench.race.sentence import BEST
from packhorse.bench.report.html import facts
from packhorse.bench.report.limits import limits
from packhorse.bench.report.markdown import headline
from packhorse.bench.report.names import PRESETS, differing
from packhorse.bench.report.text import bytes_, percent, rate, seconds

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
        sentence: The answer in words: before the pipeline's short name, the name, after it.
        warnings: What the reader must know before believing it, in a few words each.
        pipeline: The chosen pipeline; empty where there is none.
        in_flight: How many captures it has in flight.
        others: The other arms of the winner set, and what differs in them.
        cards: Its figures.
        confidence: Sentences on how sure this is.
        publish: Shell command that makes a profile of it.
        use: Three lines of Python.
    """

    sentence: tuple[str, str, str]
    warnings: tuple[str, ...]
    pipeline: str
    in_flight: int
    others: tuple[tuple[str, str], ...]
    cards: tuple[Card, ...]
    confidence: tuple[str, ...]
    publish: str
    use: str

    @property
    def headline(self) -> str:
        """The sentence as one text."""
        return "".join(self.sentence)


#: What a record says of a race that could not have seen a difference of a quarter.
_BLIND = "no difference below 25 % could have been seen"
#: Below this a choice is told to be slower than the common stack.
_LESS = 0.97
#: Fewer captures than this cannot say how captures differ.
_FEW = 3

PUBLISH = """# DIR is this report's folder
packhorse publish DIR --to my-profile.toml"""
USE = """from packhorse import Uploader
with Uploader("s3://bucket/prefix", profile="my-profile.toml") as up:
    ticket = up.submit(capture)"""


def answer(record: Record) -> Answer:
    """The answer of a record. Figures are those of the uploader as it is imported, where it was measured."""
    winner, differs = record["winner"], differing(record)
    named = winner["pipeline"] is not None
    return Answer(
        sentence=_sentence(record),
        warnings=tuple(one.strong for one in limits(record) if one.strong),
        pipeline=winner["pipeline"] or "",
        in_flight=winner["in_flight"] or 0,
        others=tuple((arm, differs.get(arm, arm)) for arm in winner["set_arms"] if arm != winner["arm"]),
        cards=tuple(_cards(record)) if named and winner["captures_per_s"] else (),
        confidence=tuple(_confidence(record)),
        publish=PUBLISH if named else "",
        use=USE if named else "",
    )


def _sentence(record: Record) -> tuple[str, str, str]:
    winner = record["winner"]
    if winner["pipeline"] is None:
        return (headline(record), "", "")
    name = " | ".join(word for word in winner["arm"].rpartition(" @")[0].split(" | ") if word != "raw")
    if record["interrupted"]:
        return ("", name, " was ahead when the race was interrupted.")
    if winner["why"] == _BLIND:
        return ("Nothing is decided: ", name, " is ahead, but a difference below 25 % could not be seen.")
    if not winner["conclusive"]:
        return ("Nothing is decided: ", name, f" is ahead, but {winner['why']}.")
    best = BEST[Objective(record["objective"])].removeprefix("the ")
    return ("", name, f" is {best}{_over_common(record)}.{_ties(record)}")


def _over_common(record: Record) -> str:
    against = facts.times_over(record, "common")
    if against is None:
        return ""
    only = "only " if against.value < _LESS else ""
    what = "" if record["objective"] == Objective.THROUGHPUT else "the captures/s of "
    where = "" if record["published"] else " in the race"
    return f": {only}{facts.multiple(against.value)} {what}your common stack{where}"


def _ties(record: Record) -> str:
    """Who else is as good, or may be: as good is within a tenth, as the verdicts say."""
    winner = record["winner"]
    words = [(row["verdict"] or {}).get("word") for row in record["results"] if row["arm"] in winner["set_arms"]]
    close = words.count("as fast")
    open_ = len(winner["set_arms"]) - 1 - close
    is_close = f" {_count(close)} {'is' if close == 1 else 'are'} as good" if close else ""
    if not open_:
        return f"{is_close}." if close else ""
    return f"{is_close}, {_word(open_).lower()} more may be." if close else f" {_count(open_)} may be as good."


def _count(number: int) -> str:
    return f"{_word(number)} other{'' if number == 1 else 's'}"


def _word(number: int) -> str:
    words = ("", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
    return words[number] if number < len(words) else str(number)


def _cards(record: Record) -> Iterator[Card]:
    winner, published = record["winner"], record["published"]
    figures = winner["held_out"] or winner
    for name in ("common", "reference"):
        if against := facts.times_over(record, name):
            yield Card(f"× {PRESETS[name]}", facts.multiple(against.value), _interval(against, record))
    what = "the uploader" if published else "in the race"
    yield Card("captures/s", rate(figures["captures_per_s"]), f"{what}, {bytes_(figures['raw_bytes_per_s'])}/s")
    share = figures["bytes_out"] * figures["captures_per_s"] / figures["raw_bytes_per_s"]
    yield Card("stored/capture", bytes_(figures["bytes_out"]), f"{100 * share:.0f} % of the JSON")
    yield Card("CPU/capture", seconds(figures["cpu_s"]), "all threads")
    if winner["peak_rss_bytes"] is not None:
        yield Card("peak memory", bytes_(winner["peak_rss_bytes"]), "above the captures")
    dollars = facts.usd_per_million(figures, record)
    if dollars is not None:
        yield Card("$ per million", f"${dollars:.3g}", "captures")


def _interval(against: facts.Ratio, record: Record) -> str:
    if against.low is None or against.high is None:
        return "too few rounds for an interval" if record["published"] else "in the race"
    ends = " to ".join(facts.multiple(end).removesuffix(" ×") for end in (against.low, against.high))
    count = len(record["published"]["captures"])
    return f"95 %: {ends}, {f'over {count} captures' if count >= _FEW else 'over rounds only'}"


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
    for name in ("common", "reference"):
        against, preset = facts.times_over(record, name), facts.of_role(record["results"], name)
        if against and preset:
            where = f"{preset['pipeline']}, {preset['in_flight']} in flight"
            yield f"{facts.multiple(against.value)} the {PRESETS[name]} ({where}): over {against.covers}."
    yield (
        f"Figures are those of the uploader itself, on {record['published']['note']}."
        if record["published"]
        else "Figures are the race's own: the uploader was not measured."
    )
    tariff = facts.tariff_of(record)
    yield f"Dollars are for CPU, PUTs and {tariff.retention_days:g} days of storage: {tariff.name}."
