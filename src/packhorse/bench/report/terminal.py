"""A race's verdicts on a terminal of 80 columns: a table of short rows, what the import costs, and the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse.bench.report.names import PRESETS, differing, letters, same, shown_rows
from packhorse.bench.report.text import bytes_, rate, seconds, times

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Record = dict[str, Any]
Row = dict[str, Any]

#: Green is the answer, red a loss. Nothing else has a colour.
_COLOURS = {"fastest": "bold green", "as fast": "green", "slower": "red"}
#: What a column of the objective's own figures is called.
_OWN = {
    "throughput": "capt./s",
    "latency": "latency",
    "cpu": "CPU",
    "size": "stored",
    "memory": "memory",
    "cost": "$/million",
}
BUSY = "Busy machine: others took over 10 % of it in more than a third of the rounds. Differences are harder to see."


def show(record: Record, console: Console) -> None:
    """Print verdicts, the price of safety, and the answer. Names are printed as plain text, never as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if record["busy"]:
        console.print(Text(BUSY, style="bold"))
    objective = record["objective"]
    title = "By throughput, best first" if objective == "throughput" else f"By {objective}, best first"
    grid = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("", no_wrap=True)
    grid.add_column("pipeline", overflow="fold", min_width=17)
    grid.add_column(_OWN[objective], justify="right", no_wrap=True)
    grid.add_column("× common", justify="right", no_wrap=True)
    grid.add_column("verdict", no_wrap=True)
    if objective != "cpu":
        grid.add_column("by CPU", no_wrap=True)
    letter, name, conclusive = letters(record), differing(record), record["winner"]["conclusive"]
    for row in shown_rows(record):
        cells = [Text(letter.get(row["arm"], "")), Text(name[row["arm"]])]
        if row["captures_per_s"] is None:
            grid.add_row(*cells, Text("failed" if row["error"] else "–"))
            continue
        cells += [Text(figure(row, objective)), Text(times(row["speedup_over_common"]).removesuffix("×"))]
        cpu = row.get("cpu_verdict")
        by_cpu = [] if objective == "cpu" else [Text(short(cpu, timed=False) if cpu else "")]
        grid.add_row(*cells, _cell(row.get("verdict"), conclusive=conclusive), *by_cpu)
    console.print(grid)
    for line in _notes(record):
        console.print(Text(line))
    console.print(Text(record["winner"]["sentence"], style="bold green" if conclusive else "bold"))
    for note in (record.get("judged") or {}).get("notes", ()):
        console.print(Text(f"* {note}"))
    if record["errors"]:
        console.print(Text(f"{len(record['errors'])} failed; see the report."))


def _cell(verdict: dict[str, Any] | None, *, conclusive: bool) -> Text:
    from rich.text import Text

    if verdict is None:
        return Text("")
    if verdict["word"] == "fastest" and not conclusive:
        return Text("ahead")
    return Text(short(verdict, timed=conclusive), style=_COLOURS.get(verdict["word"], ""))


def short(verdict: dict[str, Any], *, timed: bool = True) -> str:
    """A verdict in at most 20 characters: ``undecided (+31 s)``, or without the time that would decide it."""
    if verdict["word"] != "undecided":
        return str(verdict["text"])
    more = str(verdict["text"]).partition("; ")[2].removesuffix(" more would tell")
    return f"undecided (+{more})" if more and timed else "undecided"


def figure(row: Row, objective: str) -> str:
    """A row's figure by an objective, with its unit; dollars per million captures for ``cost``."""
    if objective == "cost":
        priced = row.get("usd_per_million")
        return f"{priced['total']:.3g}" if priced else "–"
    values = {
        "throughput": rate(row["captures_per_s"]),
        "latency": seconds(row["latency"]["p50_s"]),
        "cpu": seconds(row["cpu_s"]),
        "size": bytes_(row["bytes_out"]),
        "memory": bytes_(row["peak_rss_bytes"]),
    }
    return values[objective]


def _notes(record: Record) -> list[str]:
    lines = []
    if shared := same(record):
        lines.append(f"All but the last two rows: {shared}. Other rows show what is not as in A.")
    presets = {row["role"]: row["pipeline"] for row in shown_rows(record) if row["role"] in PRESETS}
    lines += [f"{PRESETS[role].capitalize()}: {pipeline}." for role, pipeline in presets.items()]
    if record["twin"] and record["twin"]["differs"]:
        lines.append("Alarm: one pipeline under two names was told apart; believe no small difference.")
    if record["winner"].get("cpu_best"):
        best = letters(record).get(record["winner"]["cpu_best"], "another")
        lines.append(f"By client CPU {best} is best; the declared objective, {record['objective']}, decides.")
    if steps := price_of_safety(record):
        lines.append(steps)
    return lines


def price_of_safety(record: Record) -> str:
    """The waterfall in one line: from bare parts to the uploader; empty where it was not measured."""
    if not record["published"]:
        return ""
    rows = [row for row in record["published"]["results"] if row["captures_per_s"] is not None]
    chosen = record["winner"]["arm"] or ""
    steps = [
        f"{row['way']} {rate(row['captures_per_s'])}"
        for row in rows
        if row["role"] not in PRESETS and row["arm"].startswith(f"{chosen} (")
    ]
    presets = [f"{PRESETS[row['role']]} {rate(row['captures_per_s'])}" for row in rows if row["role"] in PRESETS]
    return f"On {record['published']['note']}, captures/s: {' → '.join(steps)}; {', '.join(presets)}."
