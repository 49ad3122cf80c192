"""The tutorial and the how-to pages, followed step by step against a server on this machine; all other pages' commands
and code are checked without being run.

Commands that take minutes (a race, a gate) are only checked; where later steps need a race's folder, the published race
stands in for it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from packhorse import Uploader, UploaderOptions, fetch, load_profile
from packhorse.bench.gate.config import read_config
from packhorse.bench.lab.targets import Target, start_target
from packhorse.cli import run
from packhorse.stores import obstore_sync
from packhorse.wire import suffix
from tests.hosts.host import requires
from tests.support.guides import PAGES, ROOT, blocks, commands, files_shown, program, wrong_block, wrong_mentions
from tests.support.walk import walk

pytestmark = pytest.mark.xdist_group("guides")  # one server for all

HOWTO = ROOT / "docs" / "howto"
CAPTURE: dict[str, Any] = {
    "log": {"version": "1.2", "entries": [{"request": {"url": "/"}, "time": n} for n in range(9)]}
}
#: Checked, not run: they take minutes, install, or talk to what is not here.
NOT_RUN = {"race", "gate", "study"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_every_block_is_right(page: Path) -> None:
    made = page.name == "reference.md"  # its blocks are signatures
    assert made or [wrong for block in blocks(page) if (wrong := wrong_block(block, files_shown(page)))] == []
    assert wrong_mentions(page) == []


@pytest.fixture(scope="module")
def server() -> Iterator[Target]:
    with start_target("moto", bucket="debug-captures") as running:
        yield running


class Reader:
    """Follows a page in an empty folder, as somebody does who types what it shows."""

    def __init__(self, server: Target, monkeypatch: pytest.MonkeyPatch) -> None:
        self._environment = monkeypatch
        self.endpoint = server.endpoint
        self.names: dict[str, Any] = {}
        self.statuses: list[int] = []
        #: What stands on the page for what differs here.
        self.instead: dict[str, str] = {"http://127.0.0.1:9000": server.endpoint.url or ""}

    def follow(self, page: Path, *, python: bool = True) -> None:
        """All blocks in turn."""
        for block in blocks(page):
            if block.language == "sh":
                self.shell(block.text)
            elif block.language == "python" and python:
                self.python(block.text)

    def python(self, text: str) -> None:
        exec(compile(self._here(text), "page", "exec"), self.names)

    def shell(self, text: str) -> None:
        for words in commands(self._here(text)):
            name, arguments = program(words)
            if name == "export":
                for setting in arguments:
                    self._environment.setenv(*setting.split("=", 1))
            elif name == "packhorse" and arguments[0] == "race":
                self._raced(Path(arguments[arguments.index("-o") + 1]))
            elif name == "packhorse" and arguments[0] not in NOT_RUN:
                self.statuses.append(run(arguments))

    def _here(self, text: str) -> str:
        for shown, mine in self.instead.items():
            text = text.replace(shown, mine)
        return text

    @staticmethod
    def _raced(folder: Path) -> None:
        folder.mkdir()
        shutil.copy(ROOT / "reports" / "race-default" / "record.json", folder)


@pytest.fixture
def reader(server: Target, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Reader]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {
        "ENDPOINT_URL_S3": server.endpoint.url,
        "ACCESS_KEY_ID": server.endpoint.access_key,
        "SECRET_ACCESS_KEY": server.endpoint.secret_key,
        "REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_{name}", value or "")
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield Reader(server, monkeypatch)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def environment(server: Target) -> dict[str, str]:
    """Of a reader who has a bucket."""
    settings = {
        "ENDPOINT_URL_S3": server.endpoint.url,
        "ACCESS_KEY_ID": server.endpoint.access_key,
        "SECRET_ACCESS_KEY": server.endpoint.secret_key,
        "REGION": "us-east-1",
    }
    return outside_aws() | {f"AWS_{name}": value or "" for name, value in settings.items()}


def outside_aws() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}


def test_the_tutorial(tmp_path: Path) -> None:
    seen = walk(ROOT / "docs" / "tutorial.md", tmp_path, outside_aws(), instead={"9000": str(unused_port())})
    reader = tmp_path / "reader"
    allowed = re.compile(r"1 packhorse doctor|3 packhorse judge")  # doctor warns, judge may not decide
    assert [line for line in seen.failed if not allowed.match(line)] == [], seen.stderr
    assert [note.split()[:2] for note in seen.notes] == [["pip", "install"], ["packhorse", "race"]]
    assert (reader / "my-race-cost" / "report.md").is_file()
    assert len((reader / "service.log").read_text().split()) == 10
    stored = re.findall(r'"PUT /debug-captures/checkout/.+?" 200', (reader / "moto.log").read_text())
    assert len(stored) == 11, seen.stderr
    assert "10 uploaded, 0 dropped" in seen.stderr
    assert "bytes stored" in seen.stdout
    assert len(json.loads((reader / "capture.har").read_text())["log"]["entries"]) == 120


def test_the_readme(reader: Reader) -> None:
    (code,) = (block.text for block in blocks(ROOT / "README.md") if block.language == "python")
    reader.instead["s3://bucket/debug"] = "s3://debug-captures/readme"
    reader.names.update(capture={**CAPTURE}, log=logging.getLogger("test"))
    reader.python(code)
    assert reader.names["capture"] == CAPTURE


def test_the_readmes_commands(environment: dict[str, str], tmp_path: Path) -> None:
    shown = [block for block in blocks(ROOT / "README.md") if block.language == "sh"]
    seen = walk(shown, tmp_path, environment)
    assert seen.failed == [], seen.stderr
    assert (tmp_path / "reader" / "out" / "profile.toml").is_file()
    assert [note.split()[0] for note in seen.notes] == ["pip", "packhorse", "packhorse", "pip", "pip", "pytest"]


#: Pages beside the guides, and commands of theirs that may fail: doctor warns, judging may not decide.
FOLLOWED = (
    "captures.md", "doctor.md", "faults.md", "gate.md", "howto/gate-in-ci.md", "lab.md", "load.md", "node.md",
    "objectives.md", "parallelism.md", "redaction.md", "regimes.md", "reports.md", "uploader.md",
)  # fmt: skip
MAY_FAIL = re.compile(r"1 packhorse doctor|3 packhorse (judge|publish)")


@pytest.mark.long
@pytest.mark.parametrize("name", FOLLOWED)
def test_every_block_runs_as_it_stands(name: str, environment: dict[str, str], tmp_path: Path) -> None:
    environment["PYTHONPATH"] = str(ROOT)  # two of them are about a checkout, and say so
    seen = walk(ROOT / "docs" / name, tmp_path, environment, instead={"http://127.0.0.1:9000": server_of(environment)})
    assert [line for line in seen.failed if not MAY_FAIL.match(line)] == [], seen.stderr


def server_of(environment: dict[str, str]) -> str:
    return environment["AWS_ENDPOINT_URL_S3"]


@pytest.mark.parametrize(("gate", "status"), [(0, 0), (1, 1), (2, 2), (3, 0)])
def test_the_gate_in_plain_shell(gate: int, status: int, environment: dict[str, str], tmp_path: Path) -> None:
    shown = [block for block in blocks(ROOT / "docs" / "ci.md") if block.language == "bash"]
    seen = walk(shown, tmp_path, environment | {"WALK_GATE_STATUS": str(gate)})
    assert seen.status == status
    assert "regressed" in seen.stdout  # the summary is shown
    assert ("unresolved" in seen.stdout) == (gate == 3)


def test_choosing_a_profile(environment: dict[str, str], tmp_path: Path) -> None:
    page = HOWTO / "choose-a-profile.md"
    seen = walk(page, tmp_path, environment)
    assert [line for line in seen.failed if not line.startswith("3 packhorse judge")] == [], seen.stderr
    assert "bytes stored" in seen.stdout
    for name, ending in re.findall(r"\| `(\w+)` \| `([\w.]+)` \|", page.read_text(encoding="utf-8")):
        assert suffix(load_profile(name).pipeline.wire) == ending


def test_the_gates_rows_are_rows(tmp_path: Path) -> None:
    for page in (HOWTO / "gate-in-ci.md", ROOT / "docs" / "gate.md"):
        (rows,) = (block.text for block in blocks(page) if block.language == "toml")
        (tmp_path / "pyproject.toml").write_text(rows, encoding="utf-8")
        assert len(read_config(tmp_path).rows) >= 2


@requires("uvicorn", ".fastapi")
def test_running_in_a_service(server: Target, environment: dict[str, str], tmp_path: Path) -> None:
    port = str(unused_port())
    seen = walk(HOWTO / "run-in-an-asyncio-service.md", tmp_path, environment, instead={"8000": port})
    assert seen.failed == [], seen.stderr
    url = json.loads(seen.stdout.splitlines()[-1])["capture"]  # behind uvicorn's own line
    (entry,) = fetch(url, endpoint=server.endpoint)["log"]["entries"]  # leaving the lifespan has uploaded it
    assert entry["request"]["postData"]["text"] == '{"basket": 7}'


def test_surviving_an_outage(environment: dict[str, str], tmp_path: Path) -> None:
    seen = walk(HOWTO / "survive-a-restart.md", tmp_path, environment)
    assert [line.split(" s3:")[0] for line in seen.failed] == ["1 packhorse upload one.har"], seen.stderr
    assert "1 spooled capture" in seen.stdout + seen.stderr
    assert [file for file in (tmp_path / "reader" / "spool").rglob("*") if file.suffix == ".capture"] == []


def test_other_endpoints(reader: Reader, capsys: pytest.CaptureFixture[str]) -> None:
    reader.follow(HOWTO / "other-endpoints.md")
    assert reader.statuses[1:] == [0, 0]
    assert capsys.readouterr().out.split()[-1].startswith("s3://debug-captures/checkout/")


def body(reader: Reader, url: str) -> bytes:
    store = obstore_sync.make(endpoint=reader.endpoint, pool=1)
    with store.open(url.removeprefix("s3://debug-captures/")) as found:
        content = b"".join(found.chunks)
    store.close()
    return content


def test_reading_with_standard_tools(reader: Reader) -> None:
    stored = {}
    for profile in ("default", "text"):
        options = UploaderOptions(plain_sha256=True)
        with Uploader("s3://debug-captures/checkout", profile=profile, redact=False, options=options) as uploader:
            receipt = uploader.upload(CAPTURE)
        stored[receipt.key.partition(".json")[2]] = (body(reader, receipt.url), receipt.sha256)
    page = HOWTO / "read-with-standard-tools.md"
    lines = [line for block in blocks(page) if block.language == "sh" for line in block.text.splitlines()]
    piped = [match for line in lines if (match := re.match(r"aws s3 cp \S+KEY\.json(\S+) - \| ([^>]+)", line))]
    assert len(piped) == 3
    for ending, command in (match.groups() for match in piped):
        content, sha256 = stored[ending]
        made = subprocess.run(["bash", "-c", command], input=content, capture_output=True, check=True).stdout
        if "sha256sum" in command:
            assert made.decode().split()[0] == sha256
        else:
            assert json.loads(made) == CAPTURE
    Path("capture.json.gz").write_bytes(stored[".gz"][0])
    reader.follow(page)
    assert reader.names["capture"] == CAPTURE


def unused_port() -> int:
    """Below those that the system gives to whoever asks for any: nobody gets it before it is used."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def test_watching(environment: dict[str, str], tmp_path: Path) -> None:
    page = HOWTO / "watch-in-grafana.md"
    seen = walk(page, tmp_path, environment, instead={"9464": str(unused_port())})
    assert seen.failed == [], seen.stderr
    counts = [line.split() for line in seen.stdout.splitlines()]
    names = [f"packhorse_uploader_{name}" for name in ("submitted", "captures", "in_flight")]
    submitted, ended, in_flight = (
        sum(float(value) for name, value in counts if name.startswith(start)) for start in names
    )
    assert submitted == ended + in_flight >= 2
    known = set(re.findall(r"`(packhorse_\w+)`", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")))
    rules = next(
        found
        for block in blocks(page)
        if block.language == "yaml" and "groups" in (found := yaml.safe_load(block.text))
    )
    for rule in rules["groups"][0]["rules"]:
        assert set(re.findall(r"packhorse_\w+", rule["expr"])) <= known
