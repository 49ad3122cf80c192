"""The report of ``packhorse study processes``, from its document alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benches.studies.processes.arms import AGAIN, KEPT, ONE, ORJSON, PICKLE, THREADS, TURNS
from benches.studies.processes.figures import CORES
from packhorse.bench.report.text import bytes_, number, percent, plain, rate, seconds, table, times

Document = dict[str, Any]


def markdown(document: Document) -> str:
    """The whole report, ending in a newline."""
    settings = document["settings"]
    lines = [
        "# Threads or processes for encoding",
        "",
        f"Command: `{' '.join(document['command'])}`.",
        "",
        f"`{settings['pipeline']}`, {settings['cores']} cores, {settings['blocks']} blocks of samples of",
        f"{seconds(settings['sample_s'])}; ratios are within blocks. Of {document['timed_samples']} samples",
        f"{document['retaken_samples']} were taken once more, since other programs or the hypervisor took part of the",
        f"machine; {document['suspect_samples']} are suspect all the same.",
        "",
        *_findings(document["cells"]),
    ]
    for title, of in (("Rates", _rates), ("More cores, modelled", _modelled), ("Handing over", _handing)):
        lines += [f"## {title}", "", *of(document["cells"]), ""]
    lines += ["## Beside an event loop", "", *_loop(document), ""]
    lines += ["## Starting a worker", "", *_starts(document["starts"]), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _findings(cells: list[Document]) -> Iterator[str]:
    """How many cells each way wins in all blocks, and by how much at most."""
    twins = [cell["arms"][AGAIN]["over"] for cell in cells]
    noise = max(abs(twin["median"] - 1) for twin in twins)
    yield f"* {AGAIN}: its medians are within {percent(noise)} of its twin's. That is the run's noise."
    for arm in (ONE, TURNS, PICKLE, ORJSON, KEPT):
        over = [cell["arms"][arm]["over"] for cell in cells if arm in cell["arms"]]
        more, fewer = sum(one["min"] > 1 for one in over), sum(one["max"] < 1 for one in over)
        yield (
            f"* {arm}: {times(min(one['median'] for one in over))} to {times(max(one['median'] for one in over))} the "
            f"rate of {THREADS}; more in all blocks in {more} of {len(over)} cells, less in all blocks in {fewer}."
        )
    yield ""


def _rates(cells: list[Document]) -> list[str]:
    rows = []
    for cell in cells:
        for arm, found in cell["arms"].items():
            over = found.get("over")
            ratio = f"{over['median']:.2f} ({over['min']:.2f} to {over['max']:.2f})" if over else ""
            cpu = [seconds(found["parent_cpu_s"]), seconds(found["workers_cpu_s"])]
            late = [seconds(found["late_p99_s"]), seconds(found["late_max_s"])]
            rows.append(
                [plain(cell["case"]), cell["redaction"], plain(arm), rate(found["captures_per_s"]), ratio, *cpu, *late]
            )
    header = ("capture", "redaction", "way", "captures/s", "over 2 threads", "CPU, parent", "CPU, workers")
    return table((*header, "a thread late, p99", "at worst"), rows)


def _modelled(cells: list[Document]) -> list[str]:
    rows = []
    for cell in cells:
        found = cell["model"]
        for arm in (PICKLE, ORJSON):
            by_cores = found[arm]["over_threads_by_cores"]
            held = [seconds(cell["costs"]["held_s"]), seconds(cell["arms"][arm]["parent_cpu_s"])]
            most = [rate(found["threads_at_most_per_s"]), rate(found[arm]["at_most_per_s"])]
            ratios = [f"{by_cores[str(cores)]:.2f}" for cores in CORES]
            pays = number(found[arm]["pays_from_cores"])
            rows.append([plain(cell["case"]), cell["redaction"], plain(arm), *held, *most, pays, *ratios])
    header = (
        "capture",
        "redaction",
        "way",
        "threads hold the GIL",
        "the parent holds it",
        "threads at most/s",
        "this at most/s",
    )
    return table((*header, "overtakes above … cores", *(f"over threads, {cores} cores" for cores in CORES)), rows)


def _handing(cells: list[Document]) -> list[str]:
    """One row a capture: redaction comes afterwards."""
    rows = []
    for cell in cells:
        if cell["redaction"] != "off":
            continue
        cost = cell["costs"]
        for how in ("pickle", "orjson"):
            parts = [seconds(cost[f"{how}_write_s"]), seconds(cost[f"{how}_read_s"])]
            rows.append([plain(cell["case"]), how, bytes_(cost[f"{how}_bytes"]), *parts])
    return table(("capture", "how", "bytes", "written, GIL held", "read by the worker"), rows)


def _loop(document: Document) -> list[str]:
    settings = document["settings"]
    rows = []
    for row in document["loop"]:
        pace = f"{settings['paced_per_s']:g}/s" if row["paced"] else "as fast as it can"
        late = [seconds(row["late_p99_s"]), seconds(row["late_max_s"])]
        rate_s = rate(row["captures_per_s"]) if row["captures_per_s"] else ""
        rows.append(
            [row["redaction"], plain(row["arm"]), pace if rate_s else "", rate_s, rate(row["requests_per_s"]), *late]
        )
    header = ("redaction", "way", "asked", "captures/s", "requests/s", "the loop late, p99", "at worst")
    return [f"Captures: {settings['loop_case']}.", "", *table(header, rows)]


def _starts(starts: dict[str, dict[str, float]]) -> list[str]:
    rows = [
        [
            redaction,
            seconds(found["ready_s"]),
            seconds(found["first_s"]),
            seconds(found["cpu_s"]),
            bytes_(found["private_bytes"]),
            bytes_(found["resident_bytes"]),
        ]
        for redaction, found in starts.items()
    ]
    header = ("redaction", "all ready after", "each has encoded a capture after", "CPU until then, each")
    return table((*header, "private memory, each", "resident, each"), rows)
