"""Figures of the stages alone: encoders, compressors, base64, store clients. By client CPU, as the screening goes."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.html.facts import raw_bytes
from packhorse.bench.report.html.model import Figure, Line, Table, figure, text
from packhorse.bench.report.plots.bars import bars
from packhorse.bench.report.plots.pareto import pareto
from packhorse.bench.report.text import bytes_, number, seconds

Record = dict[str, Any]
Row = dict[str, Any]

_COLUMNS = ("candidate", "client CPU", "wall", "out", "÷ raw", "passes")


def _measured(record: Record, stage: str) -> list[Row]:
    return [row for row in record["stages"].get(stage, ()) if row["cpu_s"]]


def table(record: Record, stage: str, caption: str) -> Table:
    """Every candidate of a stage, failed and unmeasured ones included."""
    raw, used, lines = raw_bytes(record), _parts(record), []
    stage_rows = record["stages"].get(stage, ())
    noted = any(row["error"] or row["not_raced"] for row in stage_rows)
    for row in stage_rows:
        out = row["bytes_out"]
        share = out / raw if out is not None and raw else None
        cells = (
            text(row["candidate"], code=True),
            figure(row["cpu_s"], seconds(row["cpu_s"])),
            figure(row["wall_s"], seconds(row["wall_s"])),
            figure(out, bytes_(out)),
            figure(share, number(share)),
            figure(row["passes"], str(row["passes"])),
            *([text(row["error"] or row["not_raced"] or "")] if noted else []),
        )
        lines.append(Line(cells, row["candidate"], "chosen" if row["candidate"] in used else ""))
    return Table(stage, (*_COLUMNS, "note") if noted else _COLUMNS, tuple(lines), caption)


def _parts(record: Record) -> set[str]:
    """The chosen pipeline's stages, as the race names them."""
    return set((record["winner"]["arm"] or "").rpartition(" @")[0].split(" | "))


def _bars(record: Record, stage: str) -> list[Row]:
    used = _parts(record)
    return [
        {
            "key": row["candidate"], "label": row["candidate"], "text": seconds(row["cpu_s"]),
            "tone": "chosen" if row["candidate"] in used else "set", "value": row["cpu_s"] * 1e3,
            "low": None, "high": None, "points": [],
        }
        for row in _measured(record, stage)
    ]  # fmt: skip


def _figure(record: Record, stage: str, title: str, about: str) -> Figure:
    rows = _bars(record, stage)
    description = f"Milliseconds of client CPU per capture: {title.lower()}"
    chart = bars(rows, title="ms of CPU per capture", description=description) if rows else None
    return Figure(f"{stage}-alone", title, about, table(record, stage, f"{title}, alone"), chart)


def encoders(record: Record) -> Figure:
    """Time of each encoder per capture."""
    about = (
        "Into bytes, alone, every capture new to the process: medians of the client's CPU time. Clearly beaten ones "
        "were timed once. The chosen pipeline's is orange."
    )
    return _figure(record, "encode", "Encoders", about)


def base64_cost(record: Record) -> Figure:
    """Time of base64 per capture."""
    return _figure(record, "base64", "base64", "Of zlib:1 output, alone. Bytes become a third more, always.")


def clients(record: Record) -> Figure:
    """CPU time of each store client per put."""
    about = f"One put of zlib:1 output, with all in flight: the client's CPU time. Link: {record['link']}."
    return _figure(record, "store", "Store clients", about)


def compressors(record: Record) -> Figure:
    """Speed against size of each compressor."""
    raw, used, rows = raw_bytes(record), _parts(record), []
    for row in _measured(record, "compress"):
        if row["candidate"] == "none" or not raw:
            continue
        rows.append({
            "key": row["candidate"], "label": row["candidate"], "tone": "chosen" if row["candidate"] in used else "set",
            "size": 100 * row["bytes_out"] / raw, "speed": raw / row["cpu_s"] / 1e6, "low": None, "high": None,
        })  # fmt: skip
    about = (
        "Left is smaller, up is faster; the dashed front joins what nothing beats in both, and is named where there is "
        "room. Compact JSON, client CPU. No compression is left out here."
    )
    description = "Megabytes per CPU second against compressed size in per cent of the raw capture, by compressor"
    size, speed = "size, % of raw", "MB of raw capture per CPU second"
    chart = pareto(rows, size=size, speed=speed, description=description) if rows else None
    behind = table(record, "compress", "Compressors alone")
    return Figure("compressors", "Compressors: speed × size", about, behind, chart)
