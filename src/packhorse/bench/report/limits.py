"""What a race's result does not say, or says only here: one list for every rendering."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from packhorse.bench.report.text import percent, rate, seconds

Record = dict[str, Any]

#: Other processes' share of the machine above which the report warns.
BUSY_SHARE = 0.05


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
    if record["winner"].get("streaming") is False:
        yield Limit(
            "a stage of it makes its whole output at once, holding the interpreter meanwhile. For captures of tens of "
            "megabytes beside an event loop, prefer a streaming one.",
            "The chosen pipeline does not stream",
        )
    yield from _target(record)
    null = next((row for row in record["stages"].get("encode", ()) if row["candidate"] == "(null)"), None)
    if null and null.get("wall_s") is not None:
        yield Limit(
            f"The harness's own cost, the null pipeline: {seconds(null['wall_s'])} per capture; not subtracted."
        )
    yield from _other_load(record)
    suspect = sum(bool(block["suspect"]) for block in record["blocks"])
    if suspect:
        yield Limit(f"{suspect} suspect block(s) were measured again; both stay in the record.")
    yield _link(record)
    if record["quick"]:
        yield Limit("A quick race: few blocks. Run without --quick before publishing.")


def _target(record: Record) -> Iterator[Limit]:
    limited = [row for row in record["results"] if row.get("target_limited") and row["role"] != "aa-twin"]
    if limited:
        yield Limit(
            "they reach over 70 % of what the target takes of ready bodies of their size, so their order among "
            "themselves says as much of the target as of the pipelines.",
            f"The target limits {len(limited)} pipeline(s)",
        )
    if record["target"].get("name") == "moto":
        yield Limit(
            "moto answers some 170 puts a second: right for correctness, useless for judging clients. Use rclone."
        )
    ceiling = record["target"].get("ceiling")
    if ceiling:
        puts = ", ".join(f"{rate(value)}/s ({name})" for name, value in sorted(ceiling["puts_per_s"].items()))
        yield Limit(
            f"The target's ceiling, ready bodies through {ceiling['client']}, {ceiling.get('in_flight', 8)} in flight: "
            f"{puts}."
        )


def _other_load(record: Record) -> Iterator[Limit]:
    """What other processes took while CPU stages were timed; servers idle then, so it is none of ours."""
    rows = [row for stage in ("encode", "compress", "cross") for row in record["stages"].get(stage, ())]
    samples = [sample for row in rows for sample in row["samples"]]
    wall_s = sum(sample["wall_s"] for sample in samples)
    cores = record["machine"].get("cores_logical") or 1
    if not wall_s:
        return
    share = sum(sample.get("other_busy_s", 0.0) for sample in samples) / (wall_s * cores)
    text = f"Other processes took {percent(share)} of the machine's {cores} cores while CPU stages were timed"
    busy = share > BUSY_SHARE
    yield Limit("run again on an idle machine before acting on small differences.", text) if busy else Limit(f"{text}.")


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
