"""The command line as its users type it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.bench.lab.targets import Target, start_target
from packhorse.cli import run


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with start_target("moto") as running:
        yield running


@pytest.fixture
def credentials(target: Target, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The standard AWS environment, as a user has it."""
    endpoint = target.endpoint
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", endpoint.access_key or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", endpoint.secret_key or "")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    return target


def test_candidates(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["candidates"]) == 0
    text = capsys.readouterr().out
    assert "orjson-stream" in text
    assert run(["candidates", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["stage"] for row in rows} == {"encode", "compress", "base64", "store"}
    assert all(row["available"] or row["reason"] for row in rows)


def test_synth_is_reproducible(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "a.har", tmp_path / "b.har", tmp_path / "c.har"]
    for file, seed in zip(files, ("7", "7", "8"), strict=True):
        assert run(["synth", "--entries", "12", "--seed", seed, "--kind", "api", "-o", str(file)]) == 0
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()
    assert len(json.loads(files[0].read_bytes())["log"]["entries"]) == 12
    assert "12 entries" in capsys.readouterr().out


def test_upload_and_fetch(credentials: Target, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    har, back = tmp_path / "my.har", tmp_path / "back.har"
    assert run(["synth", "--entries", "8", "-o", str(har)]) == 0
    capsysbinary.readouterr()
    where = ["--endpoint-url", credentials.endpoint.url or ""]
    assert run(["upload", str(har), f"s3://{credentials.endpoint.bucket}/cli", "--no-redact", *where]) == 0
    url = capsysbinary.readouterr().out.decode().strip()
    assert url.startswith(f"s3://{credentials.endpoint.bucket}/cli/")
    assert run(["fetch", url, "-o", str(back), *where]) == 0
    assert json.loads(back.read_bytes()) == json.loads(har.read_bytes())
    capsysbinary.readouterr()
    assert run(["fetch", url, *where]) == 0
    assert json.loads(capsysbinary.readouterr().out) == json.loads(har.read_bytes())


def test_uploading_with_rules_of_ones_own(
    credentials: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    har, rules = tmp_path / "my.har", tmp_path / "rules.toml"
    har.write_text('{"log": {"version": "1.2", "entries": [{"shoe_size": "forty-seven", "n": 1}]}}', encoding="utf-8")
    where = ["--endpoint-url", credentials.endpoint.url or ""]
    command = ["upload", str(har), f"s3://{credentials.endpoint.bucket}/r", "--redact-rules", str(rules), *where]
    rules.write_text("nonsense = 1", encoding="utf-8")
    assert run(command) == 2
    assert "nonsense" in capsys.readouterr().err
    rules.write_text('anywhere = ["shoe_size"]\n', encoding="utf-8")
    status = run(command)
    captured = capsys.readouterr()
    assert status == 0, captured.err
    assert run(["fetch", captured.out.strip(), *where]) == 0
    assert "forty-seven" not in capsys.readouterr().out


def test_a_file_that_is_no_capture_fails_and_the_others_go_up(
    credentials: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.har", tmp_path / "bad.har"
    good.write_text('{"log": {"version": "1.2", "entries": [{"n": 1}]}}', encoding="utf-8")
    bad.write_text('{"log": {"entries": [{"n": ', encoding="utf-8")
    where = ["--endpoint-url", credentials.endpoint.url or ""]
    assert run(["upload", str(bad), str(good), f"s3://{credentials.endpoint.bucket}/x", *where]) == 2
    captured = capsys.readouterr()
    assert "bad.har" in captured.err
    assert len(captured.out.splitlines()) == 1


def test_comparing_captures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / f"{n}.har" for n in range(4)]
    for seed, file in enumerate(files):
        assert run(["synth", "--entries", "30", "--seed", str(seed), "-o", str(file)]) == 0
    synthetic, real = [str(file) for file in files[:2]], [str(file) for file in files[2:]]
    table = tmp_path / "table.md"
    status = run(["captures", "compare", *synthetic, "--with", *real, "--no-rank", "-o", str(table)])
    assert status in {0, 1}
    assert "2 synthetic against 2 recorded" in table.read_text(encoding="utf-8")
    assert run(["captures", "compare", *synthetic, "--no-rank", "--with", *synthetic]) == 0
    assert "gzip6" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["upload", "no-such.har", "s3://bucket/x"], "no-such.har"),
        (["upload", "x.har", "bucket/x"], "not bucket/x"),
        (["fetch", "nonsense"], "s3://"),
        (["synth", "--entries", "0", "-o", "x.har"], "entries"),
        (["synth", "-o", "no/such/folder/x.har"], "no/such/folder"),
        (["race", "--objective", "beauty"], "objective"),
        (["race", "no-such.har"], "no-such.har"),
        (["report", "no-such-dir"], "no-such-dir"),
        (["publish", "no-such-dir"], "no-such-dir"),
        (["publish", "no-such-dir", "--to", "mine.json"], "mine.json"),
        (["publish", "no-such-dir", "--require", "plain", "--require", "text"], "plain and text"),
        (["judge", "no-such-dir", "--require", "plain", "--require", "text"], "plain and text"),
        (["study", "load", "-o", "rec.md"], "rec.md"),
        (["captures", "compare", "a.har"], "--with"),
        (["captures", "compare", "a.har", "--with", "b.har"], "a.har"),
        (["nonsense"], "nonsense"),
    ],
)
def test_unusable_input_is_one_clear_line_and_status_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_and_the_module() -> None:
    for command in ([str(Path(sys.executable).parent / "packhorse")], [sys.executable, "-m", "packhorse"]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert "packhorse" in done.stdout
