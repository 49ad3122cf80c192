"""From rows to figures: latency ratios, knees, and whether the goals are met. Pure functions of the rows.

A *stretch* is how many times longer than its waits alone a task took. The *latency ratio* of a level is the mean
stretch there over the mean stretch of the same way with one task at a time: the original service's "parallel : single".
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: The ratio up to which parallel tasks count as undisturbed, and the goals that hang on it.
RATIO_BOUND = 1.1
GOAL_PARALLELISM = 30
GOAL_TIMES = 10.0
#: The way that the goals are about; ways whose names begin with it are packhorse with other settings.
OURS = "packhorse"
Row = Mapping[str, Any]


def stretches(rows: Iterable[Row]) -> tuple[list[float], bool]:
    """Stretches of all tasks of ``rows``, unfinished ones with what they have reached; True when there were such."""
    found: list[float] = []
    bounded = False
    for row in rows:
        late = row.get("stretch_at_least", [])
        found += [*row.get("stretch", []), *late]
        bounded = bounded or bool(late)
    return found, bounded


def summarize(rows: Sequence[Row]) -> dict[str, dict[int, dict[str, Any]]]:
    """Figures by way and parallelism, repeats of a level taken together. Levels that were ended early have no ratio."""
    ways: dict[str, dict[int, list[Row]]] = {}
    for row in rows:
        ways.setdefault(row["way"], {}).setdefault(row["parallelism"], []).append(row)
    return {way: _way(levels) for way, levels in ways.items()}


def _way(levels: Mapping[int, Sequence[Row]]) -> dict[int, dict[str, Any]]:
    single, _ = stretches(levels.get(1, []))
    base = statistics.fmean(single) if single else None
    return {parallelism: level_figures(levels[parallelism], base) for parallelism in sorted(levels)}


def level_figures(rows: Sequence[Row], single_stretch: float | None) -> dict[str, Any]:
    """Figures of one level.

    Args:
        rows: Its repeats.
        single_stretch: Mean stretch with one task at a time; None when that is not known.
    """
    ended = [row["how"] for row in rows if row["how"] != "finished"]
    whole = [row for row in rows if row["how"] == "finished"]
    found, at_least = stretches(whole)
    known = bool(found) and not ended
    mean = statistics.fmean(found) if known else None
    runs = [statistics.fmean(stretches([row])[0]) for row in whole if stretches([row])[0]]
    uploads = [s for row in whole for s in (*row["upload_s"], *row["upload_s_at_least"])]
    cpu = _mean_cpu(whole)
    return {
        "ended": ended[0] if ended else None,
        "stretch": mean,
        "ratio": mean / single_stretch if mean is not None and single_stretch else None,
        "ratio_range": [min(runs) / single_stretch, max(runs) / single_stretch] if runs and single_stretch else None,
        "ratio_at_least": at_least,
        "tasks_per_s": sum(len(row["stretch"]) for row in whole) / cpu["wall_s"] / len(whole) if whole else None,
        "stored_per_s": sum(row["uploads_stored"] for row in whole) / cpu["wall_s"] / len(whole) if whole else None,
        "upload_p50_s": statistics.median(uploads) if uploads else None,
        "upload_max_s": max(uploads, default=None),
        "backlog": max((row["backlog"] for row in rows), default=0),
        "backlog_bytes": max((row["backlog_bytes"] for row in rows), default=0),
        "backlog_growth_per_s": statistics.fmean(growth_per_s(row) for row in rows),
        "peak_rss_bytes": max(row["peak_rss_bytes"] for row in rows),
        "lag_p99_s": max((row["lag_s"].get("p99", 0.0) for row in whole), default=None),
        "lag_max_s": max((row["lag_s"].get("max", 0.0) for row in whole), default=None),
        "gc_share": cpu["gc_s"] / cpu["wall_s"] if whole else None,
        "gc_collections_per_s": cpu["gc_collections"] / cpu["wall_s"] if whole else None,
        "logging_share_of_cpu": _share(cpu, "logging_s") if whole else None,
        "cpu": cpu,
        "failures": sum(sum(row["failures"].values()) for row in whole),
    }


def _mean_cpu(rows: Sequence[Row]) -> dict[str, float]:
    if not rows:
        return {}
    return {key: statistics.fmean(row["cpu"][key] for row in rows) for key in rows[0]["cpu"]}


def _share(cpu: Mapping[str, float], part: str) -> float:
    """A part's share of the process's CPU."""
    whole = cpu["tasks_s"] + cpu["logging_s"] + cpu["rest_of_loop_s"] + cpu["other_threads_s"]
    return cpu[part] / whole if whole else 0.0


def growth_per_s(row: Row) -> float:
    """Captures by which the backlog grew per second, over the second half of the samples (least squares)."""
    points = [(sample[0], sample[4]) for sample in row.get("samples", [])]
    points = points[len(points) // 2 :]
    if len(points) < 2 or points[0][0] == points[-1][0]:
        return 0.0
    return statistics.linear_regression([at for at, _ in points], [count for _, count in points]).slope


def knee(levels: Mapping[int, Mapping[str, Any]], bound: float = RATIO_BOUND) -> int | None:
    """The highest measured parallelism up to which every measured level stays within ``bound``; None without any."""
    best = None
    for parallelism in sorted(levels):
        ratio = levels[parallelism]["ratio"]
        if ratio is None or ratio > bound:
            break
        best = parallelism
    return best


def next_level(levels: Mapping[int, Mapping[str, Any]], bound: float = RATIO_BOUND) -> int | None:
    """The level to measure next for a closer knee: the geometric middle of the last good and the first bad one."""
    good = knee(levels, bound)
    above = [parallelism for parallelism in sorted(levels) if good is not None and parallelism > good]
    if good is None or not above:
        return None
    middle = round((good * above[0]) ** 0.5)
    return middle if good < middle < above[0] and above[0] / good > 1.2 else None


def goals(summary: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> dict[str, Any]:
    """Both goals, with what each way of using packhorse reached.

    ``met`` is None where the data does not say; it goes by packhorse as it comes, with Python's own collector settings.
    """
    knees = {way: knee(levels) for way, levels in summary.items()}
    ours = [way for way in summary if way.startswith(OURS)]
    ratios = {way: summary[way].get(GOAL_PARALLELISM, {}).get("ratio") for way in ours}
    gains = {way: gain(summary[way], summary.get("floating", {})) for way in ours}
    ratio = ratios.get(OURS)
    return {
        "knees": knees,
        "highest_measured": {way: max(levels, default=None) for way, levels in summary.items()},
        "ratio_at_goal": {
            "bound": RATIO_BOUND,
            "parallelism": GOAL_PARALLELISM,
            "measured": ratios,
            "met": None if ratio is None else ratio <= RATIO_BOUND,
        },
        "knee_times_original": {
            "bound": GOAL_TIMES,
            "measured": gains,
            "met": _met(gains.get(OURS)),
        },
    }


def gain(ours: Mapping[int, Mapping[str, Any]], original: Mapping[int, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Bounds of how many times more tasks ``ours`` carries.

    A knee is only known to lie between the last good and the first bad level that were measured: coarse levels must not
    make a gain look larger. It is a number of tasks, so one below the first bad level at the most: there ``low`` takes
    the original, and ``high`` (None: no bound was found) ours. None where a way has no knee, or the original no bad
    level.
    """
    best, theirs = knee(ours), knee(original)
    bad = _first_bad(original)
    if best is None or theirs is None or bad is None:
        return None
    limit = _first_bad(ours)
    return {"low": best / (bad - 1), "high": None if limit is None else (limit - 1) / theirs}


def _first_bad(levels: Mapping[int, Mapping[str, Any]]) -> int | None:
    """The lowest measured level above the knee."""
    best = knee(levels)
    return min((level for level in levels if best is None or level > best), default=None)


def _met(bounds: Mapping[str, Any] | None) -> bool | None:
    """Whether the goal lies below both bounds, above both, or between them: then the levels were too far apart."""
    if bounds is None:
        return None
    if bounds["low"] >= GOAL_TIMES:
        return True
    return False if bounds["high"] is not None and bounds["high"] < GOAL_TIMES else None
