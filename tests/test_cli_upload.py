"""What ``packhorse upload`` takes, and how it tells of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benches.studies.fault_server import FaultyS3, start_faults
from packhorse.cli import run

CAPTURE = '{"log": {"version": "1.2", "entries": [{"n": %d}]}}'
#: As the encoder writes it, without spaces.
PLAIN_BYTES = len(json.dumps(json.loads(CAPTURE % 0), separators=(",", ":")))


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyS3]:
    with start_faults() as running:
        yield running


@pytest.fixture
def s3(server: FaultyS3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FaultyS3:
    """Empty, with its credentials where a user has them, and captures in the current folder."""
    from benches.studies.fault_server import FaultScript

    server.play(FaultScript())
    endpoint = server.endpoint()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", endpoint.access_key or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", endpoint.secret_key or "")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint.url or "")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    for n, name in enumerate(("a.har", "in/b.har", "in/deep/c.har", "in/.hidden/d.har")):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(CAPTURE % n, encoding="utf-8")
    return server


def _rows(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_tells_of_each_file_by_name(s3: FaultyS3, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.har").write_text('{"log": {"entries": [{', encoding="utf-8")
    assert run(["upload", "a.har", "bad.har", "in/b.har", _address(s3), "--json"]) == 2
    out = capsys.readouterr()
    rows = _rows(out.out)
    assert [(row["file"], row["fate"]) for row in rows] == [
        ("a.har", "uploaded"),
        ("bad.har", "failed"),
        ("in/b.har", "uploaded"),
    ]
    assert {row["url"] for row in rows} - {None} == _urls(s3)
    assert rows[0]["bytes"] == PLAIN_BYTES
    assert rows[1]["reason"]
    assert "bad.har: failed" in out.err


@pytest.mark.parametrize(
    ("given", "files"),
    [
        (["-r", "in"], ["in/b.har", "in/deep/c.har"]),
        (["in/**/*.har"], ["in/b.har", "in/deep/c.har"]),
        (["*.har", "a.har"], ["a.har"]),
    ],
)
def test_folders_and_patterns(
    given: list[str], files: list[str], s3: FaultyS3, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["upload", *given, _address(s3), "--json"]) == 0
    assert [row["file"] for row in _rows(capsys.readouterr().out)] == files
    assert len(_urls(s3)) == len(files)


def test_a_pipe_and_a_key(s3: FaultyS3) -> None:
    command = [sys.executable, "-m", "packhorse", "upload", "-", _address(s3), "--key", "day/one.json.gz"]
    done = subprocess.run(command, input=CAPTURE % 7, capture_output=True, text=True, check=True)
    assert done.stdout == f"{_address(s3)}/day/one.json.gz\n"
    assert done.stderr.startswith("-: ")
    assert _urls(s3) == {done.stdout.strip()}


def test_a_dry_run_sends_nothing(s3: FaultyS3, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["upload", "-r", "in", "a.har", _address(s3), "--dry-run"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in told] == ["in/b.har", "in/deep/c.har", "a.har"]
    assert run(["upload", "a.har", _address(s3), "--dry-run", "--json", "--key", "k"]) == 0
    (row,) = _rows(capsys.readouterr().out)
    assert row == {"file": "a.har", "url": f"{_address(s3)}/k", "bytes": len(CAPTURE % 0), "fate": "dry-run"}
    assert not _urls(s3)


def test_quiet_and_verbose(s3: FaultyS3, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["upload", "a.har", _address(s3), "-q"]) == 0
    out = capsys.readouterr()
    assert (out.out.count("\n"), out.err) == (1, "")
    assert run(["upload", "a.har", _address(s3), "-v"]) == 0
    out = capsys.readouterr()
    assert f"a.har: {PLAIN_BYTES} B as" in out.err
    assert f": {out.out.strip()} (" in out.err
    assert "upload " in out.err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["in"], "-r takes the files in it"),
        (["x*.har"], "no file has such a name"),
        (["a.har", "in/b.har", "--key", "k"], "--key names one object, and there are 2 files"),
        (["a.har", "--key", "../k"], "key"),
        (["a.har", "-q", "-v"], "contradict"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    given: list[str], said: str, s3: FaultyS3, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["upload", *given, _address(s3)]) == 2
    assert said in capsys.readouterr().err
    assert not _urls(s3)


def _address(s3: FaultyS3) -> str:
    return f"s3://{s3.endpoint().bucket}/x"


def _urls(s3: FaultyS3) -> set[str]:
    return {f"s3://{s3.endpoint().bucket}/{key}" for key in s3.ledger().objects}
