"""The report of ``packhorse study node``, from its document alone."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.text import bytes_, number, plain, seconds, table

Document = dict[str, Any]


def markdown(document: Document) -> str:
    """The whole report, ending in a newline. Parts that were not measured say so by their absence."""
    lines = ["# The Node originals beside Python", "", f"Command: `{' '.join(document['command'])}`.", ""]
    if document.get("unavailable"):
        lines += [f"Not measured: {plain(document['unavailable'])}", "", *_rows(document)]
        return "\n".join(lines) + "\n"
    if document["interrupted"]:
        lines += ["Interrupted: what follows was measured until then.", ""]
    for section in (_original, _explained, _cpu, _upload, _link, _versions):
        lines += section(document)
    return "\n".join(lines).rstrip("\n") + "\n"


def _rows(document: Document) -> list[str]:
    cells = [[row["stage"], row["name"], row["about"], row["reason"] or "available"] for row in document["rows"]]
    return table(("stage", "row", "about", "here"), [[plain(cell) for cell in row] for row in cells])


def _original(document: Document) -> list[str]:
    found = document.get("original_benchmark")
    if found is None:
        return []
    iterations = document["settings"]["iterations"]
    rows = [
        ["bfj (release of then)", f"{found['published_ms']['bfj']:,} ms of 100", f"{found['ms']['bfj-2019']:,.0f} ms"],
        ["bfj (release of now)", "–", f"{found['ms']['bfj']:,.0f} ms"],
        ["JSONStream", f"{found['published_ms']['JSONStream']:,} ms of 100", f"{found['ms']['JSONStream']:,.0f} ms"],
        ["ratio", f"{found['published_ratio']:.2f}", f"{found['ratio_2019']:.2f} (now: {found['ratio']:.2f})"],
    ]
    return [
        "## The original benchmark",
        "",
        f"{iterations} iterations over the race's captures, each into deflate, base64 and one string; all of one,",
        "then all of the other, as it was done.",
        "",
        *table(("", "published", f"here, {iterations} iterations"), rows),
        "",
    ]


def _explained(document: Document) -> list[str]:
    if "explained" not in document:
        return []
    ratios, rows = document["bfj_over_JSONStream"], []
    for name, found in document["explained"].items():
        ratio = ratios[name]
        rows.append(
            [
                plain(name),
                f"{found['pieces']:,}",
                f"{found['pieces_per_mb']:,.0f}",
                f"{ratio['median']:.1f} ({ratio['min']:.1f} – {ratio['max']:.1f})",
                seconds(found["encoder_s"]),
                seconds(found["deflate_in_one_piece_s"]),
                seconds(found["because_of_pieces_s"]),
                f"{found['us_per_piece']:.1f} µs",
                seconds(found["gathered_s"]),
            ]
        )
    header = ("capture", "bfj's pieces", "per MB", "bfj : JSONStream", "bfj alone", "deflate + base64 of one piece",
              "more, for its pieces", "per piece", "bfj gathered to 64 KiB")  # fmt: skip
    return [
        "## Why: pieces",
        "",
        "bfj hands every token on by itself, and each piece is a call into deflate that goes through a thread pool and",
        "back; JSONStream, written to once, hands on the whole text in one piece. So their ratio is no property of the",
        "two libraries alone: it goes with the number of tokens in a capture. Last column: the same pieces of bfj,",
        "gathered before they go into deflate.",
        "",
        *table(header, rows),
        "",
        *_published(document),
    ]


def _published(document: Document) -> list[str]:
    at = document["published_ratio_at_pieces_per_mb"]
    ratio = document["original_benchmark"]["published_ratio"]
    where = "beyond the captures measured here" if at is None else f"at about {at:,.0f} pieces per MB here"
    return [f"The published {ratio:.2f} : 1 lies {where}.", ""]


def _link(document: Document) -> list[str]:
    if "link" not in document:
        return []
    settings, rows = document["settings"], []
    for name, found in sorted(document["link"].items(), key=lambda item: item[1]["wall_s"]):
        share = number(found["requests_per_connection"])
        rows.append(
            [plain(name), f"{found['captures_per_s']:.0f}/s", share, number(found["over"]["default"]["median"])]
        )
    intro = f"The smallest capture over TLS through {plain(settings['link'])}, {settings['link_in_flight']} in flight."
    header = ("row", "captures", "PUTs per new connection", "× default profile")
    return ["## Sockets, where there is a round trip", "", intro, "", *table(header, rows), ""]


def _cpu(document: Document) -> list[str]:
    lines = []
    for name, arms in document.get("cpu", {}).items():
        lines += [f"### {plain(name)}", "", *_arms(arms, document["settings"]["blocks"]), ""]
    intro = "Encode, compress and (all but common and default) base64, one capture at a time; medians over blocks."
    return ["## Every row on every capture, nothing uploaded", "", intro, "", *lines] if lines else []


def _arms(arms: dict[str, Any], blocks: int) -> list[str]:
    rows = []
    for name, found in sorted(arms.items(), key=lambda item: item[1]["wall_s"]):
        over = found["over"]
        cells = [plain(name), seconds(found["wall_s"]), seconds(found["cpu_s"]), bytes_(found["bytes_out"])]
        rows.append([*cells, *(number(over[reference]["median"]) for reference in ("original", "common", "default"))])
    header = ("row", "time per capture", "CPU", "bytes", "× Python original", "× common", "× default profile")
    return [
        *table(header, rows),
        "",
        f"{blocks} blocks; × is the median ratio of times within blocks: above 1 is slower.",
    ]


def _upload(document: Document) -> list[str]:
    if "upload" not in document:
        return []
    settings = document["settings"]
    intro = (
        f"The race's captures to {settings['target']} on loopback, {settings['in_flight']} in flight, over plain HTTP."
    )
    return ["## Uploads", "", intro, "", *_arms(document["upload"], settings["blocks"]), ""]


def _versions(document: Document) -> list[str]:
    found = document.get("versions")
    if found is None:
        return []
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    return ["## Versions", "", f"Node {found['node']}, zlib {found['zlib']}; {plain(packages)}."]
