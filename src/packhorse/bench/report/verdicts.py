"""What a record says of every row: verdict beside the noise floor, who left early, and where stages interact."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from packhorse.bench.report.text import code, number, percent, plain, table, times

_ABSENT = "–"
#: Most blocks that are offered as a way to settle a row (bench/stats/equivalence.py).
MOST_BLOCKS = 400
#: The stages that interactions are told by.
STAGES = ("encode", "compress", "base64", "store")


def word(row: dict[str, Any], record: dict[str, Any]) -> str:
    """One word for a row's cell."""
    verdict = row.get("verdict")
    if row["arm"] == record["method"]["yardstick"]:
        return "yardstick"
    if verdict is None:
        return _ABSENT
    return "environment" if verdict["outcome"].startswith("inconclusive") else str(verdict["outcome"])


def settles(verdict: dict[str, Any]) -> str:
    """What an unresolved row lacked: the smallest effect that the run could have seen, and the blocks that would do."""
    if verdict["outcome"] != "unresolved":
        return "" if verdict["basis"] == "test" else str(verdict["basis"])
    seen = (
        "this run could have seen no difference"
        if verdict["detectable"] is None
        else f"this run could have seen {percent(math.expm1(verdict['detectable']))}"
    )
    more = verdict["more_blocks"]
    if more is None:
        return f"{seen}; {MOST_BLOCKS} blocks would not settle it" if verdict["blocks"] > 1 else seen
    return f"{seen}; {more} more block(s) would settle it" if more else f"{seen}; one more run would settle it"


def effect(row: dict[str, Any]) -> str:
    """``+3.1% (+2.0% to +4.4%)``; an end that is not known is ``?``."""
    if row["log_ratio"] is None:
        return _ABSENT
    low, high = (_ABSENT if row[key] is None else f"{math.expm1(row[key]):+.1%}" for key in ("low", "high"))
    ends = "too few blocks for an interval" if row["low"] is None else f"{low} to {high}"
    return f"{math.expm1(row['log_ratio']):+.1%} ({ends})"


def noise(record: dict[str, Any]) -> str:
    """The noise floor as a cell: what the yardstick differed from itself by, at most."""
    found = record["noise"]
    return _ABSENT if not found or found["log_ratio"] is None else f"± {percent(math.expm1(found['floor']))}"


def sections(record: dict[str, Any]) -> list[str]:
    """Markdown of verdicts, interactions and early exits; what a record does not have is left out."""
    return [*_verdicts(record), *_interactions(record), *_exits(record)]


def _verdicts(record: dict[str, Any]) -> list[str]:
    rows = [row for row in record["results"] if row.get("verdict")]
    rule, yardstick = record["method"]["verdicts"], record["method"]["yardstick"]
    if not rows or rule is None:
        return []
    rows.sort(key=lambda row: (row["verdict"]["log_ratio"] is None, row["verdict"]["log_ratio"] or 0.0, row["arm"]))
    floor = noise(record)
    body = []
    for row in rows:
        one = row["verdict"]
        note = settles(one) if one["over"] == yardstick else f"{settles(one)}, beaten by {one['over']}"
        body.append(
            (
                code(row["pipeline"]),
                str(row["in_flight"]),
                f"**{one['outcome']}**",
                floor,
                effect(one),
                number(one["p_adjusted"]),
                number(one["p_equivalence"]),
                str(one["blocks"]),
                plain(note),
            )
        )
    header = ("pipeline", "in flight", "verdict", "noise floor", "cost over the yardstick (95 %)")
    about = (
        f"By {record['objective']}, over the yardstick {code(yardstick)}, which ran twice in every block. Differences: "
        f"Wilcoxon's signed-rank test, Holm over these {len(rows)} rows, at {rule['alpha']:g}. Equivalent: two "
        f"one-sided tests inside ± {percent(rule['margin_ratio'])}. Unresolved: what the run could have seen with a "
        f"chance of {rule['power']:.0%}, and the blocks that would settle it. The noise floor is what the yardstick "
        "may differ from itself by."
    )
    return [
        "## Verdicts",
        "",
        about,
        "",
        *table((*header, "p (Holm)", "p (equivalence)", "blocks", ""), body),
        "",
    ]


def by_stage(ratios: Mapping[str, float]) -> str:
    """What exchanging each stage costs, in the order in which a capture goes through them."""
    return " · ".join(f"{stage} {ratios[stage]:.2f}" for stage in STAGES if stage in ratios)


def _interactions(record: dict[str, Any]) -> list[str]:
    rows = record["interactions"]
    if not rows:
        return []
    missed = sum(row["interaction"] for row in rows)
    body = [
        (
            code(row["pipeline"]),
            str(row["in_flight"]),
            by_stage(row["stages"]),
            times(row["predicted"]),
            f"{times(row['measured'])} ({row['low']:.2f} to {row['high']:.2f})",
            "**interaction, the other way round**"
            if row["reversed"]
            else "**interaction**"
            if row["interaction"]
            else "",
        )
        for row in rows
    ]
    about = (
        f"Cost over the yardstick {code(rows[0]['over'])}: the product of what exchanging one stage after the other is "
        f"predicted to do, from the stages' screening alone, against the race end to end. {missed} of {len(rows)} "
        "predictions miss by more than interval, noise floor and 5 %: there stages interact, and their own ranking "
        "misleads."
    )
    header = ("pipeline", "in flight", "stages alone", "predicted", "end to end (95 %)", "")
    return ["## Stages against the whole", "", about, "", *table(header, body), ""]


def _exits(record: dict[str, Any]) -> list[str]:
    looks = record["method"]["looks"]
    if not looks:
        return []
    spent = ", ".join(f"{plain(phase)} {one['alpha']:g}" for phase, one in looks.items())
    about = (
        f"Looks were declared beforehand; error that all of a phase may spend: {spent}. Before the first test an arm "
        "leaves a screening phase only at several times the best's cost in every block; the finals have no such rule."
    )
    lines = ["## Early exits", "", about, ""]
    if not record["exits"]:
        return [*lines, "Nothing left early.", ""]
    body = [
        (plain(one["phase"]), code(one["arm"]), str(one["block"]), plain(one["rule"]), plain(one["reason"]))
        for one in record["exits"]
    ]
    return [*lines, *table(("phase", "what", "after block", "rule", "why"), body), ""]
