"""The doctor's checks on given readings, the readings' parsing, and the command with everything slow left out."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.bench.doctor import machine_checks, python_checks, readings, s3_checks
from packhorse.bench.doctor.examine import examine
from packhorse.bench.doctor.finding import Finding, Level
from packhorse.cli import run
from packhorse.errors import InputError
from packhorse.profiles.loading import load_profile, parse_profile

OK, WARNING, UNKNOWN = Level.OK, Level.WARNING, Level.UNKNOWN
NOT_TRACED = {"trace": False, "profile": False, "tools": (), "memory": False}


@pytest.mark.parametrize(
    ("found", "level", "said"),
    [
        (machine_checks.cores(2), OK, "2 usable"),
        (machine_checks.cores(1), WARNING, "1 usable"),
        (machine_checks.cores(None), UNKNOWN, "not told"),
        (machine_checks.governor("performance"), OK, "performance"),
        (machine_checks.governor("powersave"), WARNING, "powersave"),
        (machine_checks.governor(None), UNKNOWN, "virtual"),
        (machine_checks.turbo(True), WARNING, "on"),
        (machine_checks.turbo(False), OK, "off"),
        (machine_checks.turbo(None), UNKNOWN, "not told"),
        (machine_checks.cgroup_limit("max 100000", 4), OK, "none"),
        (machine_checks.cgroup_limit("150000 100000", 4), WARNING, "1.5 cores' time for 4 cores"),
        (machine_checks.cgroup_limit("400000 100000", 4), OK, "4 cores' time"),
        (machine_checks.cgroup_limit(None, 4), UNKNOWN, "no cgroup"),
        (machine_checks.cgroup_limit("nonsense", 4), UNKNOWN, "no cgroup"),
        (machine_checks.throttled(0), OK, "0 throttled"),
        (machine_checks.throttled(7), WARNING, "7 throttled"),
        (machine_checks.throttled(None), UNKNOWN, "no counter"),
        (machine_checks.steal(0.0), OK, "0.0%"),
        (machine_checks.steal(0.04), WARNING, "4.0%"),
        (machine_checks.steal(None), UNKNOWN, "not told"),
        (machine_checks.other_load(0.02), OK, "2.0%"),
        (machine_checks.other_load(0.5), WARNING, "50.0%"),
        (machine_checks.other_load(None), UNKNOWN, "not told"),
        (machine_checks.swap(10**9, 0), OK, "1 GB in use"),
        (machine_checks.swap(10**9, 4096), WARNING, "4.1 kB moved"),
        (machine_checks.swap(None, None), UNKNOWN, "not told"),
        (python_checks.build(debug=False, flags="-O2 -Wall -O3"), OK, "-O3"),
        (python_checks.build(debug=False, flags="-O3 -g -O0"), WARNING, "-O0"),
        (python_checks.build(debug=True, flags="-O3"), WARNING, "debug build"),
        (python_checks.build(debug=False, flags=None), OK, "release build"),
        (python_checks.modes(dev_mode=False, optimize=0, interactive_debug=False), OK, "assertions on"),
        (python_checks.modes(dev_mode=False, optimize=1, interactive_debug=False), OK, "assertions off"),
        (python_checks.modes(dev_mode=True, optimize=0, interactive_debug=True), WARNING, "-X dev, asyncio debug"),
        (python_checks.tracing(**NOT_TRACED), OK, "none"),  # type: ignore[arg-type]
        (python_checks.tracing(**{**NOT_TRACED, "trace": True}), WARNING, "sys.settrace"),  # type: ignore[arg-type]
        (python_checks.tracing(**{**NOT_TRACED, "tools": ["coverage"]}), WARNING, "coverage"),  # type: ignore[arg-type]
        (python_checks.tracing(**{**NOT_TRACED, "memory": True}), WARNING, "tracemalloc"),  # type: ignore[arg-type]
        (python_checks.environment(["PATH", "HOME"]), OK, "nothing"),
        (python_checks.environment(["PATH", "PYTHONMALLOC"]), WARNING, "PYTHONMALLOC"),
        (s3_checks.pool(None, 50), OK, "sized by the uploader for 50"),
        (s3_checks.pool(10, 50), WARNING, "10 connections for 50"),
        (s3_checks.pool(50, 50), OK, "50 connections"),
        (s3_checks.checksums("boto3", "WHEN_SUPPORTED", custom=True), WARNING, "WHEN_SUPPORTED"),
        (s3_checks.checksums("boto3", "when_supported", custom=False), OK, "when_supported"),
        (s3_checks.checksums("boto3", None, custom=True), OK, "not asking"),
        (s3_checks.checksums("obstore", "when_supported", custom=True), OK, "obstore"),
        (s3_checks.addressing(None), OK, "host name"),
        (s3_checks.addressing("http://127.0.0.1:9000"), OK, "path-style"),
        (s3_checks.addressing("https://s3.eu-west-1.amazonaws.com"), WARNING, "path-style, at AWS"),
        (s3_checks.addressing("https://amazonaws.com.evil.test"), OK, "path-style"),
        (s3_checks.clock_skew(0.4), OK, "+0 s"),
        (s3_checks.clock_skew(-45.0), WARNING, "-45 s"),
        (s3_checks.clock_skew(None, reason="no answer"), UNKNOWN, "no answer"),
    ],
)
def test_each_check_tells_good_from_bad_from_unknown(found: Finding, level: Level, said: str) -> None:
    assert found.level is level
    assert said in found.seen
    assert found.why
    assert bool(found.advice) or level is not WARNING
    assert not (found.advice and level is OK)


def test_values_of_environment_variables_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("PYTHONMALLOC", "a-secret")
    shown = json.dumps([found.as_dict() for found in examine(load_profile(), look_s=0.0)])
    assert "PYTHONMALLOC" in shown
    assert "a-secret" not in shown


@pytest.mark.parametrize(
    ("text", "boost", "expected"),
    [
        ("0-3=driver:intel_pstate, intel_pstate:turbo, governor:powersave", None, ("powersave", True)),
        ("driver:intel_pstate, intel_pstate:no turbo, governor:performance", None, ("performance", False)),
        ("0=governor:performance; 1=governor:schedutil", "1", ("schedutil", True)),
        ("driver:acpi-cpufreq, governor:ondemand", "0", ("ondemand", False)),
        ("idle:haltpoll", None, (None, None)),
        ("", None, (None, None)),
    ],
)
def test_governor_and_turbo_are_read_from_what_pyperf_tells(
    text: str, boost: str | None, expected: tuple[str | None, bool | None]
) -> None:
    assert readings.parse_cpu_config(text, boost) == expected


def test_throttled_periods_are_read_from_cpu_stat() -> None:
    assert readings.throttled_periods("usage_usec 1\nnr_periods 9\nnr_throttled 3\nthrottled_usec 5\n") == 3
    assert readings.throttled_periods("usage_usec 1\n") is None
    assert readings.throttled_periods(None) is None


def test_the_clocks_offset_is_read_from_an_http_date() -> None:
    assert readings.offset("Thu, 01 Jan 1970 00:10:00 GMT", 540.0) == (60.0, "")
    assert readings.offset(None, 0.0) == (None, "the answer has no Date")
    assert readings.offset("yesterday", 0.0) == (None, "the answer's Date cannot be read")


@pytest.mark.parametrize("url", ["ftp://host", "host:9000", "http://", "http://[::1", "http://host:port"])
def test_a_url_that_is_none_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(InputError, match="--endpoint-url"):
        s3_checks.endpoint_host(url)
    assert run(["doctor", "--endpoint-url", url]) == 2


class LateClock(http.server.BaseHTTPRequestHandler):
    """Answers with a clock of long ago, and keeps the requests' heads."""

    seen: list[tuple[str, str, dict[str, str]]] = []  # noqa: RUF012 - one server per test run

    def do_HEAD(self) -> None:
        self.seen.append((self.command, self.path, dict(self.headers)))
        self.send_response_only(403)
        self.send_header("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
        self.end_headers()


@pytest.fixture
def late_endpoint() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), LateClock)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://user:secret@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_endpoint_with_another_clock_is_found_by_one_unsigned_request(
    late_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    LateClock.seen.clear()
    found = {f.check: f for f in examine(load_profile(), late_endpoint, look_s=0.0)}
    assert found["clock skew"].level is WARNING
    ((method, path, headers),) = LateClock.seen
    assert (method, path) == ("HEAD", "/")
    assert not any("auth" in name.lower() for name in headers)
    assert "secret" not in repr(found)


def test_an_endpoint_that_does_not_answer_is_unknown() -> None:
    offset, reason = readings.clock_offset("http://127.0.0.1:1")
    assert offset is None
    assert "no answer" in reason


def test_a_profile_with_too_small_a_pool_is_found() -> None:
    text = 'schema_version = 1\nname = "x"\nmax_in_flight = 64\npipeline = "orjson | gzip:6 | raw | boto3:pool=10"\n'
    found = {f.check: f for f in examine(parse_profile(text, source="x"), look_s=0.0)}
    assert found["connection pool"].level is WARNING
    assert "pool=64" in found["connection pool"].advice


def test_doctor_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr(readings, "LOOK_S", 0.0)
    profile = tmp_path / "small.toml"
    profile.write_text(
        'schema_version = 1\nname = "x"\nmax_in_flight = 64\npipeline = "orjson | gzip:6 | raw | boto3:pool=10"\n'
    )
    assert run(["doctor", "--profile", str(profile), "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert {row["level"] for row in rows} <= {"ok", "warning", "unknown"}
    assert len({row["check"] for row in rows}) == len(rows) >= 15
    assert run(["doctor", "--profile", str(profile)]) == 1
    assert "pool=64" in capsys.readouterr().out
    assert run(["doctor", "--profile", "no-such"]) == 2


def test_without_a_warning_the_exit_status_is_0(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = machine_checks.cores(2), machine_checks.governor(None)
    monkeypatch.setattr("packhorse.bench.doctor.examine.examine", lambda *_: list(good))
    assert run(["doctor"]) == 0
    assert "Nothing stands in the way" in capsys.readouterr().out
