"""Figures of the stages alone: encoders, compressors, base64, store clients."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.html.facts import per_block, raw_bytes
from packhorse.bench.report.html.model import Figure, Line, Table, figure, text
from packhorse.bench.report.html.order import median_interval, middle
from packhorse.bench.report.plots.bars import bars, forest
from packhorse.bench.report.plots.heat import heat
from packhorse.bench.report.plots.pareto import pareto
from packhorse.bench.report.text import bytes_, number, rate, seconds, signed

Record = dict[str, Any]
Row = dict[str, Any]

_COLUMNS = ("candidate", "wall", "CPU", "out", "out ÷ raw", "raw bytes/s", "blocks", "note")


def _measured(record: Record, stage: str) -> list[Row]:
    rows = [row for row in record["stages"].get(stage, ()) if row["candidate"] != "(null)"]
    return sorted((row for row in rows if row.get("wall_s") is not None), key=lambda row: row["wall_s"])


def table(record: Record, stage: str, caption: str) -> Table:
    """Every candidate of a stage, failed and unmeasured ones included."""
    raw = raw_bytes(record)
    used = _parts(record)
    lines = []
    for row in record["stages"].get(stage, ()):
        if row["candidate"] == "(null)":
            continue
        out, speed = row.get("bytes_out"), row.get("raw_bytes_per_s")
        share = out / raw if out is not None and raw else None
        note = row.get("error") or row.get("left_early") or row.get("not_raced") or ""
        if row.get("left_early") and not row.get("error"):
            note = f"left: {note}"
        cells = (
            text(row["candidate"], code=True),
            figure(row.get("wall_s"), seconds(row.get("wall_s"))),
            figure(row.get("cpu_s"), seconds(row.get("cpu_s"))),
            figure(out, bytes_(out)),
            figure(share, number(share)),
            figure(speed, f"{bytes_(speed)}/s" if speed else "–"),
            figure(row.get("blocks", 0), str(row.get("blocks", 0))),
            text(note),
        )
        lines.append(Line(cells, row["candidate"], "chosen" if row["candidate"] in used else ""))
    return Table(stage, _COLUMNS, tuple(lines), caption)


def _parts(record: Record) -> set[str]:
    """The chosen pipeline's stages, and its beginnings up to each of them."""
    words = (record["winner"]["pipeline"] or "").split(" | ")
    return {*words, *(" | ".join(words[: count + 1]) for count in range(len(words)))}


def _bars(record: Record, stage: str) -> list[Row]:
    used, rows = _parts(record), []
    for row in _measured(record, stage):
        points = [value * 1e3 for value in per_block(row).values()]
        low, high = median_interval(points) or (None, None)
        rows.append({
            "key": row["candidate"], "label": row["candidate"], "text": seconds(row["wall_s"]),
            "tone": "chosen" if row["candidate"] in used else "set", "value": row["wall_s"] * 1e3,
            "low": low, "high": high, "points": points,
        })  # fmt: skip
    return rows


def encoders(record: Record) -> Figure:
    """Time of each encoder per capture."""
    rows = _bars(record, "encode")
    description = "Milliseconds per capture of each encoder alone"
    chart = bars(rows, title="ms per capture", description=description) if rows else None
    about = (
        "Into bytes, alone on one core: medians over blocks (bars), each block (ticks), 95 % intervals of the median "
        "(lines) from six blocks on. Clearly beaten ones left after fewer blocks. The chosen pipeline's is orange."
    )
    return Figure("encoders", "Encoders", about, table(record, "encode", "Encoders alone"), chart)


def compressors(record: Record) -> Figure:
    """Speed against size of each compressor."""
    raw, used, rows = raw_bytes(record), _parts(record), []
    for row in _measured(record, "compress"):
        if row["candidate"] == "none" or not raw:
            continue
        speeds = [raw / value / 1e6 for value in per_block(row).values()]
        low, high = median_interval(speeds) or (None, None)
        rows.append({
            "key": row["candidate"], "label": row["candidate"], "tone": "chosen" if row["candidate"] in used else "set",
            "size": 100 * row["bytes_out"] / raw, "speed": row["raw_bytes_per_s"] / 1e6, "low": low, "high": high,
        })  # fmt: skip
    about = (
        "Left is smaller, up is faster, on a logarithmic axis; the dashed front joins what nothing beats in both, and "
        "is named. Compact JSON, one core; lines are 95 % intervals over blocks. No compression is left out here."
    )
    description = "Megabytes per second against compressed size in per cent of the raw capture, by compressor"
    size, speed = "size, % of raw", "MB of raw capture per second"
    chart = pareto(rows, size=size, speed=speed, log=True, description=description) if rows else None
    behind = table(record, "compress", "Compressors alone")
    return Figure("compressors", "Compressors: speed × size", about, behind, chart)


def base64_cost(record: Record) -> Figure:
    """What base64 adds to a pipeline, in time and bytes, paired within blocks."""
    rows, lines = [], []
    found = {row["candidate"]: row for row in _measured(record, "cross")}
    for name, row in found.items():
        plain = found.get(" | ".join([*name.split(" | ")[:2], "raw"]))
        if plain is None or plain is row or not plain["bytes_out"]:
            continue
        bare, coded = per_block(plain), per_block(row)
        points = [100 * (coded[block] / bare[block] - 1) for block in sorted(bare.keys() & coded.keys())]
        value = middle(points)
        if value is None:
            continue
        low, high = median_interval(points) or (None, None)
        more = 100 * (row["bytes_out"] / plain["bytes_out"] - 1)
        shown = f"{signed(value)} %"
        rows.append({
            "key": name, "label": name, "text": shown, "tone": "set", "value": value,
            "low": low, "high": high, "points": points,
        })  # fmt: skip
        ends = "–" if low is None or high is None else f"{signed(low)} to {signed(high)} %"
        cells = (figure(value, f"{signed(value)} %"), figure(low, ends), figure(more, f"{signed(more)} %"))
        lines.append(Line((text(name, code=True), *cells), name))
    lines += [
        Line(
            (
                text(row["candidate"], code=True),
                figure(None, seconds(row["wall_s"])),
                text("alone, zlib:1 output"),
                text(""),
            )
        )
        for row in _measured(record, "base64")
    ]
    rows.sort(key=lambda row: row["key"])
    about = (
        "What base64 adds to the same pipeline without it: CPU time by block (ticks), median and 95 % interval; and "
        "bytes, always a third more, which the link and the storage pay for."
    )
    description = "CPU time that base64 adds to each pipeline, in per cent"
    chart = forest(rows, title="% more CPU time", floor=None, description=description) if rows else None
    columns = ("pipeline", "more time", "95 %", "more bytes")
    return Figure("base64", "What base64 costs", about, Table("base64", columns, tuple(lines), "base64's cost"), chart)


def clients(record: Record) -> Figure:
    """Captures a second of each store client at each concurrency."""
    rows = []
    for row in sorted(_measured(record, "stores"), key=lambda row: row["in_flight"]):
        client, speed = row["pipeline"].rpartition(" | ")[2], row["captures_per_s"]
        place = {"key": row["candidate"], "across": row["in_flight"], "down": client}
        rows.append({**place, "value": speed, "text": rate(speed)})
    description = "Captures per second by store client and captures in flight"
    chart = heat(rows, across="captures in flight", down="", description=description) if rows else None
    about = (
        "Captures a second of the best CPU pipeline through each client, by captures in flight. "
        f"Link: {record['link']}."
    )
    return Figure("clients", "Store clients × concurrency", about, table(record, "stores", "Store clients"), chart)
