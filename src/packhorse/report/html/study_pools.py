"""Heat maps of the pools study: PUTs a second by client, pool and requests in flight, one for each link and body."""

from __future__ import annotations

from typing import Any

from packhorse.report.html.model import Figure, Line, Table, figure, text
from packhorse.report.plots.heat import heat
from packhorse.report.text import bytes_, number, rate

Record = dict[str, Any]
Row = dict[str, Any]

_COLUMNS = ("client", "pool", "in flight", "PUT/s", "p99, ms", "connections per 100 PUTs")


def figures(record: Record) -> list[Figure]:
    """One figure a link and body size, links in the order of the record."""
    rows = [row for row in record["samples"] if row.get("puts")]
    places = sorted({(row["link"], row["body_bytes"]) for row in rows})
    return [_figure(index, place, rows) for index, place in enumerate(places)]


def _figure(index: int, place: tuple[str, int], rows: list[Row]) -> Figure:
    link, body = place
    here = [row for row in rows if (row["link"], row["body_bytes"]) == place]
    here.sort(key=lambda row: (row["client"], row["pool"], row["in_flight"]))
    cells, lines = [], []
    for row in here:
        key = f"{row['client']}:pool={row['pool']} @{row['in_flight']}"
        speed = row["puts_per_s"]
        down = f"{row['client']} · {row['pool']}"
        cells.append({"key": key, "across": row["in_flight"], "down": down, "value": speed, "text": rate(speed)})
        p99, opened = row.get("latency_p99_ms"), row.get("connections_per_100_puts")
        counts = (figure(row[name], str(row[name])) for name in ("pool", "in_flight"))
        told = (figure(speed, rate(speed)), figure(p99, number(p99)), figure(opened, number(opened)))
        lines.append(Line((text(row["client"], code=True), *counts, *told), key))
    title = f"PUT/s through {link}, bodies of {bytes_(body)}"
    about = "Down: client and its pool of connections; across: requests in flight. Light is fast; one scale a map."
    chart = heat(cells, across="requests in flight", down="", description=title) if cells else None
    table = Table(f"pools-{index}", _COLUMNS, tuple(lines), title)
    return Figure(f"pools-{index}", title, about, table, chart)
