"""Sentences that follow from a record's figures, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from packhorse.bench.report.text import bytes_, number, percent, seconds, times

Figures = Mapping[str, Any]
_VERDICT = {True: "**reached**", False: "**missed**", None: "**not decided**"}


def sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """The findings about the ways, goals first."""
    goals = document["goals"]
    yield _ratio_goal(goals["ratio_at_goal"])
    yield _knee_goal(goals["knee_times_original"])
    yield from _knees(goals)
    yield from _backlog(document["levels"].get("floating", {}))
    yield from _worst_gc(document["levels"].get("floating", {}))
    yield from _budget(document["levels"])


def _ratio_goal(goal: Figures) -> str:
    text = f"Goal, with packhorse a latency ratio of at most {goal['bound']} at {goal['parallelism']} tasks at once: "
    measured = _each(goal["measured"], lambda value: f"{value:.3f}")
    return f"{text}{_VERDICT[goal['met']]}{measured}."


def _knee_goal(goal: Figures) -> str:
    text = f"Goal, {goal['bound']:g} times as many tasks at once as the original design within that ratio: "
    return f"{text}{_VERDICT[goal['met']]}{_each(goal['measured'], _bounds)}."


def _bounds(gain: Figures) -> str:
    """A gain as the levels around both knees bound it."""
    return f"at least {times(gain['low'])}" + ("" if gain["high"] is None else f" and at most {times(gain['high'])}")


def _each(measured: Figures, shown: Callable[[Any], str]) -> str:
    """What each way of using packhorse reached."""
    return "".join(f"; {way} {shown(value)}" for way, value in measured.items() if value is not None)


def _knees(goals: Figures) -> Iterator[str]:
    knees, highest = goals["knees"], goals["highest_measured"]
    found = []
    for way, knee in knees.items():
        at_least = "at least " if knee is not None and knee == highest[way] else ""
        found.append(f"{way}: {at_least}{'none' if knee is None else knee}")
    if found:
        yield f"Most tasks at once within that ratio: {'; '.join(found)}."


def _top(levels: Mapping[str, Figures]) -> tuple[str, Figures] | None:
    return max(levels.items(), key=lambda item: int(item[0])) if levels else None


def _backlog(floating: Mapping[str, Figures]) -> Iterator[str]:
    top, single = _top(floating), floating.get("1")
    if top is None or single is None or top[0] == "1":
        return
    level, figures = top
    if figures["ended"]:
        yield (
            f"The original design, floating, at {level} tasks at once was ended by its {figures['ended']} with "
            f"{figures['backlog']} captures waiting."
        )
        return
    grew = "and still growing" if figures["backlog_growth_per_s"] > 0.5 else "not growing any more"
    yield (
        f"The original design, floating, at {level} tasks at once: {figures['backlog']} captures "
        f"({bytes_(figures['backlog_bytes'])} of JSON) handed over and not stored, {grew}; resident memory "
        f"{bytes_(figures['peak_rss_bytes'])} against {bytes_(single['peak_rss_bytes'])} with one task; an upload "
        f"takes {seconds(figures['upload_p50_s'])} in the median (waiting ones as they stood) against "
        f"{seconds(single['upload_p50_s'])}; tasks take {times(figures['ratio'])} their time."
    )


def _worst_gc(floating: Mapping[str, Figures]) -> Iterator[str]:
    shares = {level: f["gc_share"] for level, f in floating.items() if f["gc_share"] is not None}
    if len(shares) > 1:
        worst = max(shares, key=lambda level: shares[level])
        yield f"There the garbage collector takes up to {percent(shares[worst])} of the time ({worst} tasks at once)."


def _budget(levels: Mapping[str, Mapping[str, Figures]]) -> Iterator[str]:
    ours, floating = levels.get("packhorse", {}), levels.get("floating", {})
    shared = [level for level in ours if level in floating and not ours[level]["ended"]]
    if shared:
        level = max(shared, key=int)
        yield (
            f"With packhorse at {level} tasks at once: {ours[level]['backlog']} captures waiting, "
            f"{bytes_(ours[level]['peak_rss_bytes'])} resident (floating: "
            f"{bytes_(floating[level]['peak_rss_bytes'])}), "
            f"{number(ours[level]['stored_per_s'])} captures stored per second (floating: "
            f"{number(floating[level]['stored_per_s'])})."
        )


def case_sentences(question: str, rows: Sequence[Figures]) -> Iterator[str]:
    """The finding of one group of variants."""
    usable = [row for row in rows if not row["ended"]]
    if len(usable) < 2:
        return
    makers = {"pool": _pool, "link": _link, "gc": _gc, "logging": _logging, "redaction": _redaction}
    yield from makers[question](usable)


def _pool(rows: Sequence[Figures]) -> Iterator[str]:
    for link in dict.fromkeys(row["link"] for row in rows):
        mine = [row for row in rows if row["link"] == link]
        if len(mine) < 2:
            continue
        first, last = mine[0], mine[-1]
        gain = last["stored_per_s"] / first["stored_per_s"] if first["stored_per_s"] else None
        yield (
            f"Over {link}, a pool of {first['name'].split()[0]} stores {number(first['stored_per_s'])} captures/s with "
            f"{first['backlog']} waiting at the end, one of {last['name'].split()[0]} {number(last['stored_per_s'])} "
            f"({times(gain)}) with {last['backlog']} waiting."
        )


def _link(rows: Sequence[Figures]) -> Iterator[str]:
    for row in rows:
        yield (
            f"{row['way']}: {row['backlog']} captures wait at the end ({row['backlog_growth_per_s']:+.1f}/s), "
            f"{bytes_(row['peak_rss_bytes'])} of memory at most, latency ratio {number(row['ratio'])}."
        )


def _gc(rows: Sequence[Figures]) -> Iterator[str]:
    first = rows[0]
    for row in rows[1:]:
        yield (
            f"{row['name']}: {percent(row['gc_share'])} of the time in the collector against "
            f"{percent(first['gc_share'])} with {first['name']}, latency ratio {number(row['ratio'])} against "
            f"{number(first['ratio'])}, peak memory {bytes_(row['peak_rss_bytes'])} against "
            f"{bytes_(first['peak_rss_bytes'])}."
        )


def _logging(rows: Sequence[Figures]) -> Iterator[str]:
    for row in rows:
        if row["name"] != "none":
            yield f"{row['name']}: {percent(row['logging_share_of_cpu'])} of the service's CPU."


def _redaction(rows: Sequence[Figures]) -> Iterator[str]:
    off, on = rows[0], rows[-1]
    yield (
        f"Latency ratio {number(on['ratio'])} with redaction against {number(off['ratio'])} without, "
        f"{number(on['stored_per_s'])} captures stored per second against {number(off['stored_per_s'])}."
    )
