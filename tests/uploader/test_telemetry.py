"""Metrics: what the account says is what is exported, by the real SDK, over HTTP, with labels that stay few."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.uploader.aio import AsyncUploader
from packhorse.uploader.metrics import (
    LABEL_VALUES,
    METRICS,
    MOST_SERIES,
    PROCESS_METRICS,
    Labels,
    reason_label,
    values,
)
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.reasons import Reason
from packhorse.uploader.sync import Uploader
from packhorse.uploader.telemetry import BEAT_S, GcPauses, LoopLag, Telemetry, export
from tests.uploader.fakes import PROFILE, FakeStore, failure, options

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "docs" / "dashboards" / "uploader.json"
CAPTURE = {"log": {"version": "1.2", "entries": [{"n": n, "text": "x" * 50} for n in range(40)]}}
SECRET = "s3cr3t-in-a-capture"


@dataclass(frozen=True)
class Exported:
    """A telemetry of its own behind a real SDK and a real endpoint on loopback."""

    telemetry: Telemetry
    port: int

    def text(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as answer:
            return str(answer.read().decode())

    def scrape(self) -> dict[str, dict[Labels, float]]:
        found: dict[str, dict[Labels, float]] = {}
        for family in text_string_to_metric_families(self.text()):
            for sample in family.samples:
                labels = {key: value for key, value in sample.labels.items() if not key.startswith("otel_scope")}
                found.setdefault(sample.name, {})[tuple(sorted(labels.items()))] = sample.value
        return found


@pytest.fixture(scope="module")
def exported() -> Iterator[Exported]:
    telemetry = Telemetry()
    reader = PrometheusMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    export(telemetry, provider)
    export(telemetry, provider)  # a second time changes nothing
    server, thread = start_http_server(0, addr="127.0.0.1", registry=REGISTRY)
    yield Exported(telemetry, server.server_port)
    server.shutdown()
    server.server_close()
    thread.join(5)
    provider.shutdown()
    telemetry.pauses.stop()


def uploader(store: FakeStore, **more: Any) -> Uploader:
    return Uploader("s3://bucket/pre", profile=PROFILE, redact=False, options=options(store, **more))


def series(found: dict[str, dict[Labels, float]], name: str, uploader: str) -> dict[Labels, float]:
    mine = {}
    for labels, value in found.get(f"packhorse_uploader_{name}", {}).items():
        rest = dict(labels)
        if rest.pop("uploader", None) == uploader:
            mine[tuple(sorted(rest.items()))] = value
    return mine


def test_a_scrape_tells_what_the_account_says(exported: Exported) -> None:
    store = FakeStore([failure(StoreErrorKind.DENIED)])
    with uploader(store, name="account") as up:
        exported.telemetry.add(up._engine, "account")
        tickets = [up.submit(CAPTURE) for _ in range(30)]
        tickets.append(up.submit({"log": {"entries": [object()]}}))
        while not all(ticket.done() for ticket in tickets):
            time.sleep(0.005)
        found, stats = exported.scrape(), up.stats()
    assert series(found, "submitted_total", "account") == {(): 31}
    fates = {dict(labels)["fate"]: 0.0 for labels in series(found, "captures_total", "account")}
    for labels, value in series(found, "captures_total", "account").items():
        fates[dict(labels)["fate"]] += value
    assert fates == {"uploaded": 29, "spooled": 0, "dropped": 0, "failed": 2}
    reasons = {
        dict(labels).get("reason", ""): value
        for labels, value in series(found, "captures_total", "account").items()
        if dict(labels)["fate"] == "failed" and value
    }
    assert reasons == {"store-denied": 1, "capture": 1}
    assert series(found, "in_flight", "account") == {(): 0}
    assert series(found, "plain_bytes_total", "account") == {(): stats.plain_bytes}
    assert series(found, "stored_bytes_total", "account") == {(): stats.stored_bytes}
    assert series(found, "limit", "account") == {(): 4}
    assert series(found, "budget_bytes", "account") == {(): 256 * 2**20}
    buckets = series(found, "duration_within_total", "account")
    assert buckets[("up_to_s", "+Inf"),] == 29
    assert all(a <= b for a, b in zip(buckets.values(), list(buckets.values())[1:], strict=False))
    phases = series(found, "phase_seconds_total", "account")
    assert sum(phases.values()) == pytest.approx(series(found, "duration_seconds_total", "account")[()])
    assert {dict(labels)["phase"] for labels in phases} == {"queue", "encode", "wait", "upload"}


def test_the_identity_holds_in_every_scrape_under_load(exported: Exported) -> None:
    with uploader(FakeStore(), name="busy") as up:
        exported.telemetry.add(up._engine, "busy")
        for _ in range(8):
            for _ in range(50):
                up.submit_nowait(CAPTURE)
            found = exported.scrape()
            settled = sum(series(found, "captures_total", "busy").values())
            submitted = series(found, "submitted_total", "busy")[()]
            assert submitted == settled + series(found, "in_flight", "busy")[()]
            assert series(found, "plain_bytes_total", "busy")[()] >= 0


def test_queues_show_how_long_the_oldest_has_waited(exported: Exported) -> None:
    store = FakeStore()
    store.gate.clear()
    with uploader(store, name="stuck", max_in_flight=1) as up:
        exported.telemetry.add(up._engine, "stuck")
        for _ in range(5):
            up.submit(CAPTURE)
        while len(up._engine.core.table.ready) < 4:
            time.sleep(0.005)
        time.sleep(0.1)
        found = exported.scrape()
        store.gate.set()
    assert series(found, "queue_length", "stuck") == {(("queue", "encode"),): 0, (("queue", "upload"),): 4}
    assert series(found, "queue_age_seconds", "stuck")[("queue", "upload"),] >= 0.1
    assert series(found, "uploading", "stuck") == {(): 1}


def test_counters_do_not_fall_when_an_uploader_ends_and_names_add_up() -> None:
    telemetry = Telemetry()
    for _ in range(2):
        with uploader(FakeStore(), name="twice") as up:
            telemetry.add(up._engine, "twice")
            up.upload(CAPTURE, timeout_s=60)
        telemetry.end(up._engine)
        telemetry.end(up._engine)
    labels = (("uploader", "twice"),)
    assert telemetry.observed("packhorse.uploader.submitted") == {labels: 2}
    assert telemetry.observed("packhorse.uploader.limit") == {}  # nobody is there to have one
    telemetry.forget()
    assert telemetry.observed("packhorse.uploader.submitted") == {}
    telemetry.pauses.stop()


def test_labels_stay_few_and_hold_nothing_of_captures(exported: Exported) -> None:
    errors = [StoreError(f"no {SECRET}", kind=kind) for kind in StoreErrorKind if kind.value != "throttled"]
    with uploader(FakeStore(errors), name="labels", max_attempts=1) as up:
        exported.telemetry.add(up._engine, "labels")
        tickets = [up.submit({SECRET: {"n": n}}, key=f"{SECRET}/{n}") for n in range(60)]
        tickets += [up.submit({SECRET: object()}) for _ in range(20)]
        tickets += [up.submit(f"/{SECRET}/{n}.har") for n in range(20)]
        while not all(ticket.done() for ticket in tickets):
            time.sleep(0.005)
        found = exported.scrape()
    assert SECRET not in repr(found)
    assert "bucket/pre" not in repr(found)
    mine = [labels for name in found for labels in found[name] if ("uploader", "labels") in labels]
    assert len(mine) <= MOST_SERIES
    assert {dict(labels).get("reason", "") for labels in mine} - {""} <= LABEL_VALUES


@pytest.mark.parametrize(
    "reason",
    [
        *(reason.words for reason in Reason if reason.words and reason not in (Reason.SPOOLED, Reason.STORE)),
        "unexpected ZeroDivisionError",
        *(f"store: {kind.value}" for kind in StoreErrorKind),
    ],
)
def test_every_reason_of_the_account_has_its_label(reason: str) -> None:
    assert reason_label(f"failed: {reason}") in LABEL_VALUES - {"other"}
    assert reason_label(f"failed: {reason} or so") in {"other", "unexpected"}


def test_the_dashboard_queries_only_metrics_that_exist(exported: Exported) -> None:
    with uploader(FakeStore(), name="dashboard", spool_dir=None) as up:
        exported.telemetry.add(up._engine, "dashboard")
        up.upload(CAPTURE, timeout_s=60)
        known = set(exported.scrape())
    known |= {metric.prometheus_name for metric in METRICS if ".spool." in metric.name}  # there with a spool only
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    expressions += [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    assert len(expressions) >= 12
    for expression in expressions:
        queried = set(re.findall(r"packhorse_\w+", expression))
        assert queried
        assert queried <= known, expression
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_names_are_those_the_exporter_gives(exported: Exported, tmp_path: Path) -> None:
    with uploader(FakeStore(), name="names", spool_dir=tmp_path) as up:
        exported.telemetry.add(up._engine, "names")
        up.upload(CAPTURE, timeout_s=60)
        found = exported.scrape()
    mine = {name for name in found if name.startswith("packhorse_")}
    assert mine == {metric.prometheus_name for metric in (*METRICS, *PROCESS_METRICS)}


def promtool(text: str) -> tuple[int, str]:
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.programs("promtool")
def test_promtool_finds_nothing_in_a_scrape(exported: Exported, tmp_path: Path) -> None:
    with uploader(FakeStore(), name="checked", spool_dir=tmp_path) as up:
        exported.telemetry.add(up._engine, "checked")
        up.upload(CAPTURE, timeout_s=60)
        text = exported.text()
    assert 'up_to_s="+Inf",uploader="checked"' in text
    assert promtool(text) == (0, "")
    status, said = promtool(text.replace("up_to_s=", "le="))  # what it found once
    assert status != 0
    assert 'should not have "le" label' in said


def test_the_documentation_lists_every_metric() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(packhorse_\w+)", text))
    assert documented == {metric.prometheus_name for metric in (*METRICS, *PROCESS_METRICS)}


def test_pauses_of_the_collector_are_summed() -> None:
    pauses = GcPauses()
    pauses.start()
    pauses.start()
    gc.collect()
    pauses.stop()
    pauses.stop()
    seen = pauses.collections
    assert seen >= 1
    assert pauses.seconds > 0
    gc.collect()
    assert pauses.collections == seen


def test_a_held_loop_shows_as_lag() -> None:
    lag = LoopLag()

    async def hold() -> None:
        lag.watch(asyncio.get_running_loop())
        lag.watch(asyncio.get_running_loop())
        await asyncio.sleep(BEAT_S / 2)
        time.sleep(BEAT_S * 2)  # the loop is held on purpose
        await asyncio.sleep(0.01)

    asyncio.run(hold(), debug=False)
    assert lag.take() >= BEAT_S
    assert lag.take() == 0


def test_an_async_uploader_brings_its_loop_lag() -> None:
    from packhorse.uploader.telemetry import telemetry

    async def run() -> bool:
        opts = options(FakeStore(), name="loop")
        async with AsyncUploader("s3://bucket/p", profile=PROFILE, redact=False, options=opts) as up:
            await up.upload(CAPTURE, timeout_s=60)
        return asyncio.get_running_loop() in telemetry.lag._beating

    assert asyncio.run(run())


def test_nothing_is_imported_for_an_application_without_opentelemetry() -> None:
    code = """
import sys
from tests.uploader.telemetry_child import run
run()
assert not [m for m in sys.modules if m.startswith("opentelemetry")], "imported"
import gc
assert not gc.callbacks
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize("name", ["", "a b", "x" * 41, "a/b", 'a"'])
def test_a_name_that_is_no_label_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="name is"):
        UploaderOptions(name=name)


def test_names_follow_the_rules_of_prometheus() -> None:
    # As `promtool check metrics` has them: labels of histograms and summaries belong to those, counters end in _total.
    for metric in (*METRICS, *PROCESS_METRICS):
        assert not {"le", "quantile"} & set(metric.labels)
        assert metric.prometheus_name.endswith("_total") == (metric.kind == "counter")
        assert not metric.prometheus_name.endswith(("_count", "_sum", "_bucket"))
        assert metric.about


def test_values_are_floats() -> None:
    with uploader(FakeStore(), name="floats") as running:
        running.submit({"a": 1}).result(30)
        found = values(running._engine.reading(), "floats")
    assert {type(value) for series in found.values() for value in series.values()} == {float}
