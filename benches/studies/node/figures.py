"""Figures of ``packhorse study node`` from its samples: medians and ratios within blocks."""

from __future__ import annotations

import itertools
import math
import statistics
from typing import Any

from benches.studies.blocks import median_ratio
from benches.studies.node.blocks import ALONE

#: The original benchmark's own figures: 100 iterations, milliseconds.
PUBLISHED_MS = {"bfj": 67_653, "JSONStream": 14_095}
#: What Node rows are set against.
REFERENCES = {"original": "Python original", "common": "Python common", "default": "Python default profile"}

Rows = list[dict[str, Any]]


def summed_up(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its figures; raw rows move to ``samples``, which listings leave out.

    Only complete parts get figures, so an interrupted study shows what it has.
    """
    figures: dict[str, Any] = {}
    original = document.get("original", {})
    if {"bfj", "bfj-2019", "JSONStream"} <= original.keys():
        figures["original_benchmark"] = _original(original)
    captures = [file["name"] for file in document.get("captures", ())]
    cpu: Rows = document.pop("cpu", [])
    if cpu:
        by_capture = {name: [row for row in cpu if row["capture"] == name] for name in captures}
        figures["cpu"] = {name: _part(rows) for name, rows in by_capture.items()}
        figures["bfj_over_JSONStream"] = {name: _ratio(rows, "bfj", "JSONStream") for name, rows in by_capture.items()}
        figures["explained"] = {name: _explained(document, name, figures["cpu"][name]) for name in captures}
        figures["published_ratio_at_pieces_per_mb"] = _published_at(figures)
    samples = {"cpu": cpu}
    for part in ("upload", "link"):
        samples[part] = document.pop(part, [])
        if samples[part]:
            figures[part] = _part(samples[part])
    return {**document, **figures, "samples": samples}


def _published_at(figures: dict[str, Any]) -> float | None:
    """Pieces per MB at which the published ratio would be had here: interpolated between captures, both logarithmic.

    None when it lies beyond those that were measured.
    """
    wanted = math.log(PUBLISHED_MS["bfj"] / PUBLISHED_MS["JSONStream"])
    points = sorted(
        (math.log(found["pieces_per_mb"]), math.log(figures["bfj_over_JSONStream"][name]["median"]))
        for name, found in figures["explained"].items()
    )
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if y0 <= wanted <= y1:
            return math.exp(x0 + (x1 - x0) * (wanted - y0) / (y1 - y0))
    return None


def _original(original: dict[str, Any]) -> dict[str, Any]:
    ms = {name: 1000 * row["wall_s"] for name, row in original.items()}
    return {
        "ms": ms,
        "published_ms": PUBLISHED_MS,
        "published_ratio": PUBLISHED_MS["bfj"] / PUBLISHED_MS["JSONStream"],
        "ratio": ms["bfj"] / ms["JSONStream"],
        "ratio_2019": ms["bfj-2019"] / ms["JSONStream"],
    }


def _seconds(rows: Rows, arm: str) -> list[float]:
    """Wall seconds per capture of one row, block by block."""
    return [row["wall_s"] / row["captures"] for row in rows if row["arm"] == arm]


def _ratio(rows: Rows, over: str, under: str) -> dict[str, float]:
    return median_ratio(_seconds(rows, f"Node {over}"), _seconds(rows, f"Node {under}"))


def _part(rows: Rows) -> dict[str, Any]:
    """Row → seconds, CPU seconds and bytes per capture, and its time over each Python reference's within blocks."""
    found = {}
    for arm in sorted({row["arm"] for row in rows}):
        mine = [row for row in rows if row["arm"] == arm]
        seconds = _seconds(rows, arm)
        found[arm] = {
            "wall_s": statistics.median(seconds),
            "captures_per_s": 1 / statistics.median(seconds),
            "cpu_s": statistics.median(row["cpu_s"] / row["captures"] for row in mine),
            "requests_per_connection": _per_connection(mine),
            "bytes_out": statistics.median(row["bytes_out"] / row["captures"] for row in mine),
            "over": {
                name: median_ratio(seconds, theirs)
                for name, reference in REFERENCES.items()
                if (theirs := _seconds(rows, reference))  # not every part has every reference
            },
        }
    return found


def _per_connection(rows: Rows) -> float | None:
    """None where there was no link to count them, or all connections had been opened before."""
    connections, requests = (
        sum(row.get("wire", {}).get(name, 0) for row in rows) for name in ("connections", "requests")
    )
    return requests / connections if connections else None


def _explained(document: dict[str, Any], capture: str, cpu: dict[str, Any]) -> dict[str, Any]:
    """Where bfj's time goes: its own work, and what its many pieces cost in deflate, per piece."""
    plain_bytes = next(file["plain_bytes"] for file in document["captures"] if file["name"] == capture)
    pieces = document["pieces"][capture]["bfj"]["pieces"]
    whole, alone = cpu["Node bfj"]["wall_s"], cpu[f"Node bfj{ALONE}"]["wall_s"]
    once = cpu["Node JSONStream"]["wall_s"] - cpu[f"Node JSONStream{ALONE}"]["wall_s"]
    return {
        "pieces": pieces,
        "pieces_per_mb": 1e6 * pieces / plain_bytes,
        "encoder_s": alone,
        "deflate_in_one_piece_s": once,
        "because_of_pieces_s": whole - alone - once,
        "because_of_pieces_share": (whole - alone - once) / whole,
        "us_per_piece": 1e6 * (whole - alone - once) / pieces,
        "gathered_s": cpu["Node bfj-gathered"]["wall_s"],
    }
