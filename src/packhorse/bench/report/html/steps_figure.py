"""The price of safety: from the bare parts to the uploader as it is imported, beside what it replaces."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.html.facts import per_process
from packhorse.bench.report.html.model import Figure, Line, Table, figure, text
from packhorse.bench.report.names import PRESETS
from packhorse.bench.report.plots.bars import bars
from packhorse.bench.report.text import bytes_, rate, seconds

Record = dict[str, Any]

_TONES = {"reference": "reference", "common": "common"}


def steps(record: Record) -> Figure:
    """Captures a second of each step, as measured side by side on the held-out captures."""
    rows, lines = [], []
    for row in record["published"]["results"] if record["published"] else ():
        if row["captures_per_s"] is None:
            continue
        label = PRESETS.get(row["role"]) or row["way"]
        tone = _TONES.get(row["role"], "chosen" if row["way"] == "uploader" else "set")
        points = [1 / value for value in per_process(row).values()]
        rows.append(
            {
                "key": row["arm"],
                "label": label,
                "tone": tone,
                "value": row["captures_per_s"],
                "low": None,
                "high": None,
                "points": points,
                "text": f"{rate(row['captures_per_s'])}/s",
            }
        )
        cells = (
            text(label, code=True),
            figure(row["captures_per_s"], rate(row["captures_per_s"])),
            figure(row["cpu_s"], seconds(row["cpu_s"])),
            figure(row["bytes_out"], bytes_(row["bytes_out"])),
        )
        lines.append(Line(cells, row["arm"], tone))
    about = (
        "The same pipeline, step by step: a loop of its bare parts; the way of one thread of the uploader; that with "
        "redaction; the uploader itself, as it is imported. Below, what it replaces, as loops written by hand."
    )
    description = "Captures per second from bare parts to the uploader, and of what it replaces"
    chart = bars(rows, title="captures/s", description=description) if rows else None
    table = Table("steps", ("step", "captures/s", "CPU", "stored"), tuple(lines), "The price of safety")
    return Figure("steps", "What safety costs, as imported", about, table, chart)
