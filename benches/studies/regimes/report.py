"""A regime record in words and as maps. Every figure and verdict comes from the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packhorse.bench.report.plots.svg import FAINT, FONT, INK, require, to_svg
from packhorse.bench.report.text import bytes_, code, number, percent, rate, seconds, table
from packhorse.units import format_bytes

Document = Mapping[str, Any]
_CELL_PX = (64, 26)


def pictures(document: Document) -> dict[str, str]:
    """The maps as SVG by name; empty without cells.

    Raises:
        UnavailableError: The drawing library is not installed.
    """
    require()
    if not document["cells"]:
        return {}
    cores = sorted({row["cores"] for row in document["cells"]})
    return {
        "throughput": _map(document, "winners", [(n, f"{n} core{'s' if n > 1 else ''}") for n in cores]),
        "latency": _map(document, "latency_winners", [(cores[0], "one capture alone")]),
    }


def _map(document: Document, field: str, panels: Sequence[tuple[int, str]]) -> str:
    import altair as alt

    names = strength(document, field)
    charts = []
    for cores, title in panels:
        values = [_cell(row, field) for row in document["cells"] if row["cores"] == cores]
        base = alt.Chart(alt.InlineData(values=values)).encode(
            x=alt.X("link:N", sort=None, title="bandwidth", axis=alt.Axis(labelAngle=0, orient="top")),
            y=alt.Y("size:N", sort=None, title="capture"),
        )
        cell = base.mark_rect(stroke="white", strokeWidth=1).encode(
            color=alt.Color(
                "winner:N",
                legend=None,
                scale=alt.Scale(domain=names, range=_colours(len(names))),
            )
        )
        dark = " || ".join(f"datum.winner === '{name}'" for name in names[len(names) // 2 :]) or "false"
        text = base.mark_text(fontSize=10.5).encode(
            text="winner:N", color=alt.condition(dark, alt.value("white"), alt.value("#111111"))
        )
        charts.append(
            alt.layer(cell, text)
            .resolve_scale(color="independent")
            .properties(
                width=_CELL_PX[0] * len({v["link"] for v in values}),
                height=_CELL_PX[1] * len({v["size"] for v in values}),
                title=alt.TitleParams(title, anchor="start", fontSize=14, color=INK),
            )
        )
    what = "stores most captures per second" if field == "winners" else "stores one capture soonest"
    heading = alt.TitleParams(
        f"Which compressor {what}",
        subtitle=["The darker, the more it shrinks captures. Computed from measured rates; checks in the report."],
        anchor="start", fontSize=17, subtitleFontSize=12, subtitleColor=FAINT, offset=14, color=INK,
    )  # fmt: skip
    whole = (
        alt.vconcat(*charts, title=heading, spacing=26)
        .configure(font=FONT, background="white", padding=16)
        .configure_view(stroke=None)
        .configure_axis(labelColor=INK, titleColor=FAINT, titleFontWeight="normal", domain=False, ticks=False)
    )
    return to_svg(whole)


def _cell(row: Mapping[str, Any], field: str) -> dict[str, str]:
    return {"link": bandwidth(row["mbit"]), "size": format_bytes(row["plain_bytes"]), "winner": row[field][0]}


def _colours(count: int) -> list[str]:
    """So many steps from light to dark blue."""
    light, dark = (222, 235, 247), (8, 48, 107)
    shares = [n / max(1, count - 1) for n in range(count)]
    return [
        "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in zip(light, dark, strict=True)) for share in shares
    ]


def strength(document: Document, field: str) -> list[str]:
    """The winning pipelines, from the one that leaves most of a capture to the one that leaves least."""
    winning = {row[field][0] for row in document["cells"]}
    left = {name: rows[-1]["out_bytes"] / rows[-1]["plain_bytes"] for name, rows in document["rates"].items()}
    return sorted(winning, key=lambda name: -left[name])


def bandwidth(mbit: float) -> str:
    """``300 Mbit/s``, ``25 Gbit/s``."""
    return f"{mbit / 1000:g} Gbit/s" if mbit >= 1000 else f"{mbit:g} Mbit/s"


def markdown(document: Document) -> str:
    """The report's text; the same record gives the same text."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield "# Which pipeline wins where\n"
    if document["interrupted"]:
        yield "**Interrupted: this is what had been measured until then.**\n"
    if document["quick"]:
        yield "**A quick run: it shows that the study works; the figures are rough.**\n"
    yield from (f"* {sentence}" for sentence in _findings(document))
    yield ""
    if document["cells"]:
        yield f"![Winners by throughput](study-{document['name']}-throughput.svg)\n"
        yield f"![Winners by latency](study-{document['name']}-latency.svg)\n"
    yield from _checks(document)
    yield from _rates(document)
    yield from _method(document)


def _findings(document: Document) -> Iterator[str]:
    found = document["checked"]
    if found["runs"]:
        yield (
            f"Checked by {found['runs']} real runs at {found['points']} points: predictions are off by "
            f"{percent(found['median_absolute_error'])} in the median and {percent(found['worst_absolute_error'])} at "
            f"worst; the predicted winner won, or came within 5 %, at {found['winner_right_at']} of {found['points']}."
        )
    if found["failed"]:
        yield f"{found['failed']} check runs failed; the table says how."
    for cores in sorted({row["cores"] for row in document["cells"]}):
        rows = [row for row in document["cells"] if row["cores"] == cores]
        counts = Counter(row["winners"][0] for row in rows)
        shares = ", ".join(f"{code(name)} {count}" for name, count in counts.most_common(5))
        limits = Counter(row["bottleneck"] for row in rows)
        yield (
            f"With {cores} core(s), cells won: {shares}; what limits: "
            f"{', '.join(f'{name} {count}' for name, count in limits.most_common())}."
        )
    if document["cells"]:
        gains = [row["captures_per_s"] / row["uncompressed_captures_per_s"] for row in document["cells"]]
        yield f"Compressing brings up to {max(gains):.1f} times the captures of sending them as they are."


def _checks(document: Document) -> Iterator[str]:
    if not document["checks"]:
        return
    yield "## Predictions against real runs\n"
    yield f"{document['settings']['check_in_flight']} captures in flight; server and link on the same cores.\n"
    header = ("capture", "bandwidth", "compressor", "predicted", "measured", "off by", "limited by")
    yield from table(header, [_check(row) for row in document["checks"]])
    yield ""


def _check(row: Mapping[str, Any]) -> list[str]:
    measured = row["measured_captures_per_s"]
    off = "" if not measured else f"{(row['predicted_captures_per_s'] / measured - 1) * 100:+.0f} %"
    return [
        bytes_(row["plain_bytes"]),
        bandwidth(row["mbit"]),
        f"**{row['pipeline']}**" if row["predicted_winner"] else row["pipeline"],
        f"{rate(row['predicted_captures_per_s'])}/s",
        f"{rate(measured)}/s" if measured else f"{row['how']}: {row['error']}",
        off,
        row["predicted_bottleneck"],
    ]


def _rates(document: Document) -> Iterator[str]:
    if not document["rates"]:
        return
    yield "## Measured rates\n"
    first = next(iter(document["rates"].values()))
    sizes = [bytes_(row["plain_bytes"]) for row in first]
    encode = [f"{size} in {seconds(row['encode_s'])}" for size, row in zip(sizes, first, strict=True)]
    yield f"Encoding ({code(document['settings']['encoder'])}): {', '.join(encode)}.\n"
    yield from table(
        ("compressor", *(f"{size}: MB/s · times smaller" for size in sizes)),
        [[code(name), *(_rate(row) for row in rows)] for name, rows in document["rates"].items()],
    )
    yield "\n* scaled from the size before it, which would have taken too long.\n"
    for name, why in document["unavailable"].items():
        yield f"* {code(name)} could not be measured: {why}"
    costs = [
        f"{bytes_(int(body))}: client {seconds(cost['client_s'])}, server and link {seconds(cost['others_s'])}, "
        f"{cost['overhead_bytes']:.0f} bytes of headers"
        for body, cost in document["put_cpu"].items()
    ]
    yield f"CPU per PUT, {'; '.join(costs)}.\n"


def _rate(row: Mapping[str, Any]) -> str:
    mark = "\\*" if row["scaled"] else ""
    mb_per_s = row["plain_bytes"] / row["compress_s"] / 1e6
    return f"{number(mb_per_s)} · {number(row['plain_bytes'] / row['out_bytes'])}{mark}"


def _method(document: Document) -> Iterator[str]:
    settings = document["settings"]
    yield "## What is computed\n"
    yield (
        f"Captures per second of {code(settings['encoder'])}, the compressor and {code(settings['store'])}, with "
        f"{settings['map_in_flight']} captures in flight, an answer {seconds(settings['answer_s'])} after a PUT's last "
        f"byte and at most {settings['connection_bit_s'] / 1e6:g} Mbit/s per connection: a closed queueing network of "
        "encoder, cores and link (docs/regimes.md). The server has cores of its own there. Captures are means over "
        f"{', '.join(settings['kinds'])}; neither redaction nor SHA-256 is included; every capture goes up in one PUT. "
        f"Pipelines within {percent(settings['tolerance'])} of the best are in the record as winners too.\n"
    )
    yield f"Again: `{' '.join(document['command'])} -o study-{document['name']}.json`"
