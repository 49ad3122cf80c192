"""The study in words: findings first, then how it was measured, then every cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benches.studies.pools.pictures import PICTURES
from packhorse.bench.report.text import plain, table
from packhorse.units import format_bytes

Document = Mapping[str, Any]


def markdown(document: Document) -> str:
    """The report of a result document; the same document gives the same bytes."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield "# Pools, concurrency and clients under a declared link"
    yield ""
    yield f"`{' '.join(document['command'])}`"
    yield ""
    if document["interrupted"]:
        measured, planned = document["cells_measured"], document["cells_planned"]
        yield f"**Interrupted**: {measured} of {planned} cells were measured; what follows holds for these alone."
        yield ""
    yield "## Findings"
    yield ""
    for finding in document["findings"]:
        yield f"* **{finding['client']}**: {plain(finding['text'])}"
    for client, reason in document["unavailable"].items():
        yield f"* **{client}**: not measured: {plain(reason)}"
    yield ""
    for name, (title, _) in PICTURES.items():
        yield f"![{title}](study-pools-{name}.svg)"
        yield ""
    yield from _method(document)
    yield from _links(document)
    yield from _cells(document)


def _method(document: Document) -> Iterator[str]:
    settings = document["settings"]
    yield "## How"
    yield ""
    yield (
        f"Each cell is a fresh process with so many requests in flight, each followed by the next, for "
        f"{settings['seconds']:g} s after all of them had been answered once. TLS; the link simulator counts "
        "connections on the wire. The server is a sink that takes every body and stores nothing, as an S3 server "
        "would take half of the machine; the link's service time stands for it. Connections are those opened while the "
        "clock ran. Memory is the process's peak above what it held before the client was made. A pool above the "
        "requests in flight never binds, so of those only the smallest is measured. A request that waits all through "
        "the measurement counts with its age, so that a queue that is not fair shows in the 99th percentile."
    )
    yield ""
    noise = document["noise"]
    if noise["cells"]:
        yield (
            f"Noise: {noise['cells']} cells were measured twice; their rates differ by {noise['median_ratio']:.2f}× in "
            f"the median, {noise['worst_ratio']:.2f}× at worst. Smaller differences mean nothing."
        )
        yield ""
    cold = sum(not row.get("warm", True) for row in document["samples"])
    if cold:
        yield f"{cold} cells began before every request had been answered once; they are marked *cold*."
        yield ""


def _links(document: Document) -> Iterator[str]:
    yield "## Links, asked and achieved"
    yield ""
    rows = []
    for name, link in document["links"].items():
        got = link["achieved"]
        late = got.get("after", {}).get("late_up_ms")
        rows.append(
            [
                name,
                f"{link['delay_ms']:g} + {link['delay_ms']:g} + {link['service_ms']:g}",
                f"{got['asked_answer_ms']:.0f} / {got['answer_ms']:.1f}",
                f"{_rate(got['asked_up_mbit'])} / {got['up_mbit']:.0f}",
                "–" if late is None else f"{late:.2f}",
            ]
        )
    header = [
        "link",
        "delays + service, ms",
        "answer, ms: asked / got",
        "up, Mbit/s: asked / got",
        "late under load, ms",
    ]
    yield from table(header, rows)
    yield ""


def _cells(document: Document) -> Iterator[str]:
    yield "## Cells"
    yield ""
    header = [
        "link", "body", "in flight", "client", "pool", "PUT/s", "p50 ms", "p99 ms", "CPU ms/PUT", "opened per 100",
        "thrown away", "memory", "cores: client, link, machine", "",
    ]  # fmt: skip
    key = ("link", "body_bytes", "in_flight", "client", "pool")
    rows = sorted(document["samples"], key=lambda row: tuple(row[name] for name in key))
    yield from table(header, [_cell(row) for row in rows])


def _cell(row: Mapping[str, Any]) -> list[str]:
    place = [row["link"], format_bytes(row["body_bytes"]), str(row["in_flight"]), row["client"], str(row["pool"])]
    if not row.get("puts"):
        why = row.get("failed") or f"no PUT was answered; errors: {row['errors']}"
        return [*place, *["–"] * 8, plain(why)]
    remarks = [] if row["warm"] else ["cold"]
    if row["waited_all_through"]:
        remarks.append(f"{row['waited_all_through']} waited all through")
    remarks += [f"{count} {kind}" for kind, count in row["errors"].items()]
    return [
        *place,
        f"{row['puts_per_s']:.0f}",
        f"{row['latency_p50_ms']:.0f}",
        f"{row['latency_p99_ms']:.0f}",
        f"{row['cpu_ms_per_put']:.2f}",
        f"{row['connections_per_100_puts']:.0f}",
        str(row["wire"]["thrown_away"]),
        format_bytes(row["memory_bytes"]),
        f"{row['client_cores']:.2f}, {row['link_cores']:.2f}, {row['busy_cores']:.2f}",
        plain(", ".join(remarks)),
    ]


def _rate(mbit: float | None) -> str:
    return "no limit" if mbit is None else f"{mbit:.0f}"
