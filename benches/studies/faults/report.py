"""The report of ``packhorse study faults``, from its document alone."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.text import plain, table
from packhorse.units import format_bytes

Document = dict[str, Any]


def markdown(document: Document) -> str:
    """The whole report, ending in a newline."""
    rows = document["cells"]
    lines = [
        "# The uploader under faults",
        "",
        f"Command: `{' '.join(document['command'])}`. {len(rows)} cells, {sum(row['submitted'] for row in rows):,}",
        "uploads. What the words mean: docs/faults.md.",
        "",
    ]
    if document["interrupted"]:
        lines += ["Interrupted: what follows was run until then.", ""]
    lines += ["## Problems", ""]
    lines += [f"* {plain(problem)}" for problem in document["problems"]] or ["None."]
    lines += ["", *_totals(rows), "", "## Cells", "", *_cells(rows)]
    if document["outages"]:
        lines += ["", "## A black hole at twice the drain rate", "", *_outages(document["outages"])]
    return "\n".join(lines) + "\n"


def _totals(rows: list[dict[str, Any]]) -> list[str]:
    names = ("lost", "corrupt", "duplicated", "rewritten", "unclaimed", "checked")
    totals = {name: sum(row["verdict"][name] for row in rows) for name in names}
    return ["In all, by the store's ledger: " + ", ".join(f"{count:,} {name}" for name, count in totals.items()) + "."]


def _cells(rows: list[dict[str, Any]]) -> list[str]:
    header = (
        "fault",
        "owed",
        "client",
        "face",
        "submitted",
        "uploaded",
        "failed",
        "attempts",
        "injected",
        "lost / corrupt / duplicated",
        "rewritten / unclaimed",
        "kept",
    )
    return table(header, [_row(row) for row in rows])


def _row(row: dict[str, Any]) -> list[str]:
    verdict = row["verdict"]
    reasons = ", ".join(f"{count} {plain(why.removeprefix('failed: '))}" for why, count in row["reasons"].items())
    return [
        plain(row["cell"]),
        plain(row["owed"]),
        plain(row["transport"]),
        row["face"],
        f"{row['submitted']:,}",
        f"{row['uploaded']:,}",
        reasons or "–",
        f"{row['attempts']:,}",
        f"{sum(row['injected'].values()):,}",
        f"{verdict['lost']} / {verdict['corrupt']} / {verdict['duplicated']}",
        f"{verdict['rewritten']} / {verdict['unclaimed']}",
        "no" if row["problems"] else "yes",
    ]


def _outages(rows: list[dict[str, Any]]) -> list[str]:
    header = (
        "client", "hole", "submitted", "uploaded", "degraded", "dropped", "failed", "budget", "memory over budget",
        "rate before", "90 % of it again after", "kept",
    )  # fmt: skip
    cells = []
    for row in rows:
        spec, recovery_s = row["spec"], row["recovery_s"]
        cells.append(
            [
                plain(spec["transport"]),
                f"{spec['hole_s']:.0f} s",
                f"{row['submitted']:,}",
                f"{row['uploaded']:,}",
                f"{row['degraded']:,}",
                f"{row['dropped']:,}",
                f"{row['failed']:,}",
                format_bytes(spec["budget_bytes"]),
                f"{row['peak_over_budget']:.2f}",
                f"{row['rate_before_per_s']:.0f}/s",
                "never" if recovery_s is None else f"{recovery_s:.1f} s",
                "no" if row["problems"] else "yes",
            ]
        )
    return table(header, cells)
