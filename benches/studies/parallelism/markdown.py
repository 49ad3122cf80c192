"""A parallelism record in words. Every sentence with a figure or a verdict is computed from the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benches.studies.parallelism.pictures import shown_level
from benches.studies.parallelism.verdicts import case_sentences, sentences
from packhorse.bench.report.text import bytes_, code, number, percent, rate, seconds, table

Document = Mapping[str, Any]
_QUESTIONS = {
    "pool": "What the pool's default does",
    "link": "When the link is slower than the captures come",
    "gc": "What the garbage collector's settings do",
    "logging": "What logging costs",
    "redaction": "What redaction costs",
}


def markdown(document: Document) -> str:
    """The report's text; the same record gives the same text."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    settings = document["settings"]
    yield "# How many tasks one event loop carries\n"
    if document["interrupted"]:
        yield "**Interrupted: this is what had been measured until then.**\n"
    if document["quick"]:
        yield "**A quick run: it shows that the study works; the figures are rough.**\n"
    yield from (f"* {sentence}" for sentence in sentences(document))
    yield ""
    if _has_ratio(document):
        yield f"![Latency ratio against parallelism](study-{document['name']}-latency.svg)\n"
    yield from _levels(document)
    if document["levels"]:
        yield f"\n![Who uses the CPU](study-{document['name']}-cpu.svg)\n"
    yield from _floating(document)
    for question, heading in _QUESTIONS.items():
        yield from _cases(document, question, heading)
    yield from _method(document, settings)


def _levels(document: Document) -> Iterator[str]:
    yield "## Every way at every level\n"
    for way, levels in document["levels"].items():
        yield f"### {way}: {document['settings']['ways'][way]['about']}\n"
        if document["settings"]["ways"][way]["pipeline"]:
            yield f"{code(document['settings']['ways'][way]['pipeline'])}\n"
        header = (
            "tasks at once", "latency ratio", "tasks/s", "stored/s", "upload p50", "longest upload", "backlog",
            "backlog growth", "peak RSS", "GC share", "loop lag p99 · max",
        )  # fmt: skip
        yield from table(header, [_level(n, figures) for n, figures in levels.items()])
        yield ""


def _level(parallelism: str, figures: Mapping[str, Any]) -> list[str]:
    if figures["ended"]:
        rest = [bytes_(figures["backlog_bytes"]), "", bytes_(figures["peak_rss_bytes"]), "", ""]
        return [parallelism, f"ended: {figures['ended']}", "", "", "", "", *rest]
    ratio = figures["ratio"]
    sign = "≥ " if figures["ratio_at_least"] and ratio is not None and ratio > 1.05 else ""
    return [
        parallelism,
        f"{sign}{number(ratio)}",
        rate(figures["tasks_per_s"]),
        rate(figures["stored_per_s"]),
        seconds(figures["upload_p50_s"]),
        seconds(figures["upload_max_s"]),
        f"{figures['backlog']} ({bytes_(figures['backlog_bytes'])})",
        f"{figures['backlog_growth_per_s']:+.1f}/s",
        bytes_(figures["peak_rss_bytes"]),
        percent(figures["gc_share"]),
        f"{seconds(figures['lag_p99_s'])} · {seconds(figures['lag_max_s'])}",
    ]


def _has_ratio(document: Document) -> bool:
    return any(figures["ratio"] is not None for levels in document["levels"].values() for figures in levels.values())


def _floating(document: Document) -> Iterator[str]:
    level = shown_level(document)
    if level is None:
        return
    yield f"## The backlog, watched at {level} tasks at once\n"
    yield f"![Backlog and memory over time](study-{document['name']}-backlog.svg)\n"


def _cases(document: Document, question: str, heading: str) -> Iterator[str]:
    rows = [case for case in document["cases"] if case["question"] == question]
    if not rows:
        return
    yield f"## {heading}\n"
    ways = ", ".join(dict.fromkeys(row["way"] for row in rows))
    yield f"Way: {ways}; {rows[0]['parallelism']} tasks at once.\n"
    yield from (f"* {sentence}" for sentence in case_sentences(question, rows))
    yield ""
    header = (
        question, "latency ratio", "stored/s", "backlog", "backlog growth", "upload p50", "GC share", "collections/s",
        "logging, of CPU", "loop lag p99 · max", "cores used", "peak RSS",
    )  # fmt: skip
    yield from table(header, [_case(row) for row in rows])
    yield ""


def _case(row: Mapping[str, Any]) -> list[str]:
    if row["ended"]:
        return [row["name"], f"ended: {row['ended']}", *[""] * 9, bytes_(row["peak_rss_bytes"])]
    cpu = row["cpu"]
    used = cpu["tasks_s"] + cpu["logging_s"] + cpu["rest_of_loop_s"] + cpu["other_threads_s"]
    return [
        row["name"],
        number(row["ratio"]),
        rate(row["stored_per_s"]),
        f"{row['backlog']} ({bytes_(row['backlog_bytes'])})",
        f"{row['backlog_growth_per_s']:+.1f}/s",
        seconds(row["upload_p50_s"]),
        percent(row["gc_share"]),
        number(row["gc_collections_per_s"]),
        percent(row["logging_share_of_cpu"]),
        f"{seconds(row['lag_p99_s'])} · {seconds(row['lag_max_s'])}",
        number(used / cpu["wall_s"]),
        bytes_(row["peak_rss_bytes"]),
    ]


def _method(document: Document, settings: Mapping[str, Any]) -> Iterator[str]:
    task = settings["task"]
    yield "## How it was measured\n"
    yield (
        f"A task waits {task['steps']} times, {task['duration_s']:g} s in all on average, and after each wait parses "
        f"an answer; {seconds(task['cpu_s'])} of CPU per task come on top. It gathers a capture of "
        f"{bytes_(task['capture_bytes'])} ({', '.join(task['capture_kinds'])} in turn) and hands it over at its end. "
        "The original service's tasks took 4 s: here they are shorter, so that a quarter of the tasks "
        "makes the same load.\n"
    )
    yield (
        f"Each level runs in a fresh process, {settings['warmup_s']:g} s of warm-up and {settings['window_s']:g} s of "
        f"measuring, {settings['repeats']} time(s), under a bound on memory and on time. The server, "
        f"{settings['server'] or settings['target']} over {settings['link']}, shares the machine's "
        f"{document['machine']['cores_usable']} cores. The latency ratio is the mean of seconds taken over seconds "
        "waited on purpose, relative to one task at a time; tasks still running at the end count as they stood, so "
        "that a ratio with ≥ is a lower bound. The knee is the highest measured level up to which no level exceeds "
        "the bound.\n"
    )
    links = [f"{name}: {' '.join(link['source'].split())}" for name, link in document["links"].items()]
    yield from (f"* Link {link}" for link in links)
    yield f"\nAgain: `{' '.join(document['command'])} -o study-{document['name']}.json`"
