"""A gate's record in pytest-benchmark's own JSON, so that existing dashboards can read it.

Format: what ``pytest --benchmark-json`` writes (pytest_benchmark/session.py and stats.py, version 5); each row appears
twice, as ``row[base]`` and ``row[head]``, with one datum for each block that the row was judged by.
"""

from __future__ import annotations

import json
import statistics
from itertools import compress
from typing import Any

#: Data that quartiles and a standard deviation need.
_FEWEST = 2


def benchmark_json(record: dict[str, Any]) -> str:
    """The whole document. ``datetime`` and the host are left empty: the record holds neither."""
    rows = [row for row in record["rows"] if row.get("blocks", 0) >= _FEWEST]
    document = {
        "machine_info": {
            "node": "",
            "processor": record["machine"].get("cpu_model"),
            "machine": record["machine"].get("architecture"),
            "python_version": record["machine"].get("python"),
            "system": str(record["machine"].get("kernel", "")).split(" ", 1)[0],
            "cpu": {"brand_raw": record["machine"].get("cpu_model"), "count": record["machine"].get("cores_usable")},
        },
        "commit_info": {"id": record["head"], "base": record["base"], "dirty": False},
        "benchmarks": [_benchmark(record, row, arm) for row in rows for arm in ("base", "head")],
        "datetime": "",
        "version": "5.0.0",
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _benchmark(record: dict[str, Any], judged: dict[str, Any], arm: str) -> dict[str, Any]:
    row, measurements = judged["name"], judged.get("judged_measurements", (1, 2))
    timings = [
        t
        for t in record["timings"]
        if t["row"] == row and t["arm"] == arm and any(t["counted"]) and t["measurement"] in measurements
    ]
    data = [statistics.median(compress(t["wall_s"], t["counted"])) / t["passes"] for t in timings]
    return {
        "group": row,
        "name": f"{row}[{arm}]",
        "fullname": f"packhorse-gate::{row}[{arm}]",
        "params": {"side": arm},
        "param": arm,
        "extra_info": {},
        "options": {"timer": "perf_counter", "rounds": len(data), "iterations": timings[0]["passes"]},
        "stats": _stats(data, timings[0]["passes"]),
    }


def _stats(data: list[float], iterations: int) -> dict[str, Any]:
    ordered = sorted(data)
    q1, median, q3 = statistics.quantiles(ordered, n=4, method="inclusive")
    mean, iqr = statistics.fmean(data), q3 - q1
    deviation = statistics.stdev(data)
    inside = [value for value in ordered if q1 - 1.5 * iqr <= value <= q3 + 1.5 * iqr]
    beyond_sd = sum(abs(value - mean) > deviation for value in data)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": deviation,
        "rounds": len(data),
        "median": median,
        "iqr": iqr,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": len(data) - len(inside),
        "stddev_outliers": beyond_sd,
        "outliers": f"{beyond_sd};{len(data) - len(inside)}",
        "ld15iqr": inside[0],
        "hd15iqr": inside[-1],
        "ops": 1 / mean,
        "total": sum(data),
        "data": data,
        "iterations": iterations,
    }
