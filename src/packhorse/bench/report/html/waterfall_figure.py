"""Where the time of one capture goes: the stages alone, and what is left of the time it is under way."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.html.arms import ordered
from packhorse.bench.report.html.facts import chosen, of_role
from packhorse.bench.report.html.model import Cell, Figure, Line, Table, figure, text
from packhorse.bench.report.plots.waterfall import waterfall
from packhorse.bench.report.text import seconds

Record = dict[str, Any]
Row = dict[str, Any]

#: Said of an upload that was not measured by itself.
_IN_WAIT = "in the wait"
STEPS = ("encode", "compress", "base64", "upload", "wait")


def stage_seconds(row: Row, record: Record) -> dict[str, float] | None:
    """Seconds of each of :data:`STEPS` in the mean time that a capture is under way.

    That time is slots × wall time per capture (Little's law: the slots are never empty). Stages are what they take
    alone; upload is what a PUT takes with one capture in flight; the rest is waiting: for a core, a slot or the server,
    and what stages cost each other. Where stages alone take longer than the whole, the wait is 0 and they overlapped.

    Returns:
        None where a stage was not measured alone at these settings. Without ``upload`` where nothing was measured with
        one capture in flight through that client: the wait then holds the upload, too.
    """
    words = row["pipeline"].split(" | ")
    found = {}
    for step, name in zip(("encode", "compress", "base64"), words, strict=False):
        alone = 0.0 if name in {"none", "raw"} else _alone(record, step, name)
        if alone is None:
            return None
        found[step] = alone
    under_way = row["in_flight"] * row["wall_s"]
    upload = _upload(record, row) if len(words) > 3 else None
    rest = max(0.0, under_way - sum(found.values()))
    if upload is None:
        return {**found, "wait": rest}
    return {**found, "upload": min(rest, upload), "wait": rest - min(rest, upload)}


def _cell(value: float | None) -> Cell:
    return figure(value, _IN_WAIT if value is None else seconds(value))


def _alone(record: Record, stage: str, name: str) -> float | None:
    return next((row["wall_s"] for row in record["stages"].get(stage, ()) if row["candidate"] == name), None)


def _upload(record: Record, row: Row) -> float | None:
    """Seconds of one PUT with one capture in flight: this pipeline's own, or those of its client in older records."""
    own, pipeline = row["arm"].rpartition(" @")[0], row["pipeline"]
    rows = (*record["results"], *record["stages"].get("alone", ()))
    single = [r for r in rows if r["in_flight"] == 1 and r.get("put_s") is not None]
    found = next((r["put_s"] for r in single if r["pipeline"] == pipeline or _name(r) == own), None)
    return _difference(record, pipeline.split(" | ")[3]) if found is None else float(found)


def _name(row: Row) -> str:
    """The pipeline as it was named before its pool was made as wide as what is in flight."""
    return str(row.get("arm") or row["candidate"]).rpartition(" @")[0]


def _difference(record: Record, store: str) -> float | None:
    """One upload at a time through a client: its whole pipeline's seconds less those of the CPU stages."""
    client = store.partition(":")[0]
    for row in record["stages"].get("stores", ()):
        if row.get("wall_s") is None or row["in_flight"] != 1:
            continue
        cpu, _, measured = row["pipeline"].rpartition(" | ")
        before = _alone(record, "cross", cpu)
        if measured.partition(":")[0] == client and before is not None:
            return max(0.0, float(row["wall_s"]) - before)
    return None


def stages(record: Record) -> Figure:
    """The waterfall of the chosen pipeline, or of the one picked, against the original design."""
    rows, lines, known = [], [], []
    for row in ordered(record):
        split = stage_seconds(row, record)
        if split is None:
            continue
        known.append(row["arm"])
        begin = 0.0
        for step in STEPS:
            length = split.get(step)
            end = begin + (length or 0.0) * 1e3
            shown = _IN_WAIT if length is None else seconds(length) if length else "none"
            rows.append({"key": row["arm"], "step": step, "begin": begin, "end": end, "text": shown})
            begin = end
        whole = sum(split.values())
        rows.append({"key": row["arm"], "step": "in all", "begin": 0.0, "end": begin, "text": seconds(whole)})
        cells = (text(row["arm"], code=True), *(_cell(split.get(step)) for step in STEPS))
        lines.append(Line((*cells, figure(whole, seconds(whole))), row["arm"]))
    mine, reference = chosen(record["results"], record), of_role(record["results"], "reference")
    about = (
        "The mean time a capture is under way: ◆ chosen (orange), or the one picked, above the original (grey). "
        "Encode, compress and base64 are what they take alone; upload is a PUT with one capture in flight, the way to "
        "the server and back included; wait is the rest: for a core, a slot or the server, and what stages cost each "
        "other."
    )
    if any(row["step"] == "upload" and row["text"] == _IN_WAIT for row in rows):
        about += " Where no upload was measured one at a time, it is in the wait."
    table = Table("stages", ("pipeline", *STEPS, "in all"), tuple(lines), "Time by stage, mean per capture")
    chart = None
    if mine and reference and {mine["arm"], reference["arm"]} <= set(known):
        description = "Time by stage of the chosen pipeline, above, and of the original design, below"
        chart = waterfall(rows, default=mine["arm"], reference=reference["arm"], description=description)
    return Figure("stages", "Where the time goes", about, table, chart)
