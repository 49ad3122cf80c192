"""What a race's result does not say, or says only here: one list for every rendering."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from packhorse.bench.report.text import percent

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit as plain text, which may hold hostile names.

    Attributes:
        text: A sentence or two.
        strong: What stands before it in bold, where acting on the result without knowing it would be a mistake.
    """

    text: str
    strong: str = ""

    def __str__(self) -> str:
        return f"{self.strong}: {self.text}" if self.strong else self.text


def limits(record: Record) -> Iterator[Limit]:
    """All of a record's, the weightiest first."""
    if record["interrupted"]:
        yield Limit("these are the figures it had.", "The race was interrupted")
    if record["busy"]:
        yield Limit(
            "others took over 10 % of the machine in more than a third of the rounds; differences are harder to see.",
            "Busy machine",
        )
    if record["twin"] and record["twin"]["differs"]:
        yield Limit(
            "one pipeline under two names was told apart. Believe no small difference of this run.", "A/A alarm"
        )
    if record["quick"]:
        yield Limit("run without --quick before publishing.", "Quick race")
    yield from _published(record)
    if not record["redacted"]:
        yield Limit("the finals did not redact; the uploader does, unless it is told not to.", "Without redaction")
    if record["winner"].get("streaming") is False:
        yield Limit(
            "a stage of it makes its whole output at once, holding the interpreter meanwhile. For captures of tens of "
            "megabytes beside an event loop, prefer a streaming one.",
            "The chosen pipeline does not stream",
        )
    if record["target"].get("name") == "moto":
        yield Limit(
            "moto answers some 170 puts a second: right for correctness, useless for judging clients. Use rclone."
        )
    yield from _rounds(record)
    yield _link(record)


def _published(record: Record) -> Iterator[Limit]:
    found = record["published"]
    if not found:
        if record["winner"]["pipeline"] is not None:
            yield Limit("the figures are the race's own.", "Uploader not measured")
        return
    count = len(found["captures"])
    raced = {file["sha256"] for file in record["captures"]}
    again = all(file["sha256"] in raced for file in found["captures"])
    if count < 3 or again:
        yield Limit(
            f"the figure stands on {count} capture{'s' if count != 1 else ''}, so it cannot say how captures differ. "
            f"({found['note']}.)"
            if count < 3
            else f"the figure stands on {found['note']}.",
            "Nothing held out" if again else "Few captures",
        )


def _rounds(record: Record) -> Iterator[Limit]:
    rounds = [row for row in record["rounds"] if row["phase"] == "finals"]
    if rounds:
        left_out = sum(not row["counted"] for row in rounds)
        share = sum(row["foreign_share"] for row in rounds) / len(rounds)
        yield Limit(
            f"Others took {percent(share)} of the machine during the finals; {left_out} of {len(rounds)} rounds were "
            "left out for that. They stay in the record."
        )


def _link(record: Record) -> Limit:
    figures = record.get("link_figures")
    if not figures or figures["asked"]["name"] == "loopback":
        without = ": on it pool sizes and round trips hardly count" if record["link"] == "loopback" else ""
        return Limit(f"The link is {record['link']}{without}.")
    asked, achieved = figures["asked"], figures["achieved"]
    wanted = f"The link is {record['link']}, simulated: {2 * asked['delay_ms'] + asked['service_ms']:g} ms"
    if not achieved:
        return Limit(f"{wanted} to a PUT's answer were asked for; the race ended before it was measured.")
    missed = ", ".join(f"{name.replace('_', ' ')} {error:+.1%}" for name, error in sorted(achieved["errors"].items()))
    return Limit(
        f"{wanted} to a small PUT's answer were asked for, {achieved['answer_ms']:.1f} ms measured; "
        f"off by: {missed or 'nothing that was asked for'}. {asked['source']}"
    )
