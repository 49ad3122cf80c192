"""Maps of the regimes study: what wins by bandwidth and capture size, and how many times faster than uncompressed."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.html.model import Figure, Line, Table, figure, text
from packhorse.bench.report.plots.heat import heat
from packhorse.bench.report.text import bytes_, number, rate, times

Record = dict[str, Any]

_COLUMNS = ("capture", "uplink, Mbit/s", "wins", "captures/s", "× uncompressed", "limited by")


def notes(record: Record) -> list[str]:
    """How far the map was checked."""
    checked = record["checked"]
    error = number(100 * (checked.get("median_absolute_error") or 0))
    right = checked.get("winner_right_at")
    told = f"Predictions were off by {error} % in the median of {checked.get('runs', 0)} real runs."
    points = (
        f" The predicted winner really won at {right} of {checked.get('points')} points." if right is not None else ""
    )
    return [told + points]


def tables(_: Record) -> list[tuple[str, Table]]:
    """None beside the figures' own."""
    return []


def figures(record: Record) -> list[Figure]:
    """One map a number of cores."""
    return [_figure(record, cores) for cores in sorted({row["cores"] for row in record["cells"]})]


def _figure(record: Record, cores: int) -> Figure:
    cells, lines = [], []
    rows = [row for row in record["cells"] if row["cores"] == cores]
    for row in sorted(rows, key=lambda row: (-row["plain_bytes"], row["mbit"])):
        wins = row["winners"][0]
        gain = row["captures_per_s"] / row["uncompressed_captures_per_s"]
        size, bandwidth = bytes_(row["plain_bytes"]), f"{row['mbit']:,g}"
        key = f"{wins} {size} {bandwidth} Mbit/s"
        place = {"key": key, "across": _bits(row["mbit"]), "down": size}
        cells.append({**place, "value": gain, "text": wins, "more": times(gain)})
        told = (
            figure(row["plain_bytes"], size), figure(row["mbit"], bandwidth), text(", ".join(row["winners"])),
            figure(row["captures_per_s"], rate(row["captures_per_s"])), figure(gain, times(gain)),
            text(row["bottleneck"]),
        )  # fmt: skip
        lines.append(Line(told, key))
    title = f"What wins on {cores} core{'' if cores == 1 else 's'}"
    about = (
        "The compressor that wins by throughput, by uplink and size of a capture, and how many times more captures it "
        "brings through than no compression does; light where that is most. Computed from measured rates."
    )
    chart = heat(cells, across="uplink, bit/s", down="", description=title) if cells else None
    table = Table(f"regimes-{cores}", _COLUMNS, tuple(lines), title)
    return Figure(f"regimes-{cores}", title, about, table, chart, wide=True, broad=True)


def _bits(mbit: float) -> str:
    return f"{mbit:g} M" if mbit < 1000 else f"{mbit / 1000:g} G"
