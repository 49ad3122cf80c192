"""Heat maps of the pools study: PUTs a second and p99 by client, pool and requests in flight, a map a link and body."""

from __future__ import annotations

from statistics import median
from typing import Any

from packhorse.bench.report.html.model import Figure, Line, Table, figure, text
from packhorse.bench.report.plots.heat import heat
from packhorse.bench.report.text import bytes_, number, rate, seconds

Record = dict[str, Any]
Row = dict[str, Any]

_COLUMNS = ("client", "pool", "in flight", "PUT/s", "p50, ms", "p99, ms", "CPU, ms per PUT", "connections per 100 PUTs")
_FIGURES = ("latency_p50_ms", "latency_p99_ms", "cpu_ms_per_put", "connections_per_100_puts")
#: Columns of a map beyond which it takes the page's whole width.
_NARROW = 5


def notes(_: Record) -> list[str]:
    """None: what was found has a table."""
    return []


def tables(record: Record) -> list[tuple[str, Table]]:
    """What the study found of each client, in its own words."""
    lines = [Line((text(one["client"], code=True), text(one["text"]))) for one in record.get("findings", ())]
    table = Table("pools-findings", ("client", "finding"), tuple(lines), "What pools cost each client")
    return [("What was found, client by client", table)] if lines else []


def figures(record: Record) -> list[Figure]:
    """One figure a link and body size, small bodies first, links in the order of their round trips."""
    rows = [row for row in record["samples"] if row.get("puts")]
    delays = {name: link.get("delay_ms", 0.0) for name, link in record.get("links", {}).items()}
    places = {(row["link"], row["body_bytes"]) for row in rows}
    ordered = sorted(places, key=lambda place: (place[1], delays.get(place[0], 0.0), place[0]))
    return [_figure(index, place, rows) for index, place in enumerate(ordered)]


def _figure(index: int, place: tuple[str, int], rows: list[Row]) -> Figure:
    link, body = place
    here = [row for row in rows if (row["link"], row["body_bytes"]) == place]
    here.sort(key=lambda row: (row["in_flight"], row["pool"], row["client"]))
    lines = []
    for row in here:
        counts = (figure(row[name], str(row[name])) for name in ("pool", "in_flight"))
        told = (figure(row.get(name), number(row.get(name))) for name in _FIGURES)
        speed = figure(row["puts_per_s"], rate(row["puts_per_s"]))
        lines.append(Line((text(row["client"], code=True), *counts, speed, *told), _key(row)))
    cells = _cells(here)
    title = f"PUT/s and p99 through {link}, bodies of {bytes_(body)}"
    about = (
        "PUTs a second (bold, and the colour: light is fast) and the 99th percentile of a PUT's latency. Across: "
        "requests in flight, and under it the client's pool of connections. One scale a map."
    )
    across = "requests in flight · pool"
    chart = heat(cells, across=across, down="", description=title) if cells else None
    table = Table(f"pools-{index}", _COLUMNS, tuple(lines), title)
    columns = len({cell["across"] for cell in cells})
    return Figure(f"pools-{index}", title, about, table, chart, wide=columns > _NARROW, broad=columns > _NARROW)


def _key(row: Row) -> str:
    return f"{row['client']}:pool={row['pool']} @{row['in_flight']}"


def _cells(rows: list[Row]) -> list[Row]:
    """One cell a client, pool and number in flight: medians where a cell was measured again for the run's noise."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(_key(row), []).append(row)
    cells = []
    for key, same in found.items():
        row, speed = same[0], median(one["puts_per_s"] for one in same)
        late = [one["latency_p99_ms"] for one in same if one.get("latency_p99_ms") is not None]
        place = {"key": key, "across": f"{row['in_flight']}|pool {row['pool']}", "down": row["client"]}
        cells.append(
            {**place, "value": speed, "text": rate(speed), "more": seconds(median(late) / 1e3) if late else "–"}
        )
    return cells
