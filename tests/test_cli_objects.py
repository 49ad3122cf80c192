"""``packhorse upload`` and ``fetch`` when something is in the way: Ctrl-C, dead S3, hostile names, full disks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from benches.studies.fault_server import Fault, FaultScript, FaultyS3, start_faults
from packhorse.cli import objects, run
from packhorse.cli.sending import Sending
from packhorse.units import MIB
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Ticket

CAPTURE = '{"log": {"version": "1.2", "entries": [{"n": %d}]}}'
#: Nobody listens there (discard, which needs a privileged port).
NOWHERE = ["--endpoint-url", "http://127.0.0.1:9"]


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyS3]:
    with start_faults() as running:
        yield running


def _use(server: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its credentials where a user has them."""
    endpoint = server.endpoint()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", endpoint.access_key or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", endpoint.secret_key or "")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture
def s3(server: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> FaultyS3:
    """Without faults and empty; credentials as a user has them."""
    server.play(FaultScript())
    _use(server, monkeypatch)
    return server


def _files(folder: Path, count: int) -> list[Path]:
    files = [folder / f"{n}.har" for n in range(count)]
    for n, file in enumerate(files):
        file.write_text(CAPTURE % n, encoding="utf-8")
    return files


def _at(s3: FaultyS3) -> list[str]:
    return ["--endpoint-url", s3.endpoint().url or ""]


def _address(s3: FaultyS3) -> str:
    return f"s3://{s3.endpoint().bucket}/x"


def _urls(s3: FaultyS3) -> set[str]:
    return {f"s3://{s3.endpoint().bucket}/{key}" for key in s3.ledger().objects}


@pytest.fixture
def slow_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    """One of its own: requests that a process leaves behind are stored later, and in no other test's account."""
    with start_faults() as running:
        _use(running, monkeypatch)
        yield running


def test_ctrl_c_tells_of_every_file_and_of_every_address(slow_s3: FaultyS3, tmp_path: Path) -> None:
    s3 = slow_s3
    s3.play(FaultScript((Fault("slow-answer", delay_s=1.0),)))
    count = 300  # many times what can be on the wire at once
    command = [sys.executable, "-m", "packhorse", "upload", *map(str, _files(tmp_path, count)), _address(s3), *_at(s3)]
    log = tmp_path / "stderr"
    with log.open("wb") as stderr, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr) as process:
        assert process.stdout is not None
        first = process.stdout.readline()  # told while most of the others are still on their way
        process.send_signal(signal.SIGINT)
        told = (first + process.stdout.read()).decode().split()
    error = log.read_text(encoding="utf-8")
    assert process.returncode == 130, error
    summary = re.search(rf"interrupted: (\d+) of {count} uploaded(.*)", error)
    assert summary is not None, error
    others = sum(map(int, re.findall(r"\d+", summary[2])))
    assert int(summary[1]) == len(told) == len(set(told))
    assert len(told) + others == count > len(told)
    assert set(told) <= _urls(s3)


def test_addresses_go_to_stdout_also_when_a_terminal_shows_the_progress(s3: FaultyS3, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "packhorse", "upload", *map(str, _files(tmp_path, 3)), _address(s3), *_at(s3)]
    ours, terminal = os.openpty()
    try:
        settings = {**os.environ, "TERM": "xterm"}
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, env=settings, check=True)
        shown = os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(terminal)
    assert b"uploading" in shown
    assert set(ended.stdout.decode().split()) == _urls(s3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_tells_of_every_file_and_of_every_address_once(
    slow_s3: FaultyS3,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    slow_s3.play(FaultScript((Fault("slow-answer", delay_s=1.0),)))
    count = 300  # many times what can be on the wire at once
    before, echo = signal.getsignal(number), click.echo

    def ended(*arguments: Any, **settings: Any) -> None:
        monkeypatch.setattr(click, "echo", echo)
        echo(*arguments, **settings)
        for _ in range(2):  # as `timeout` sends it, amid the telling of a file
            signal.raise_signal(number)

    monkeypatch.setattr(click, "echo", ended)
    assert run(["upload", *map(str, _files(tmp_path, count)), _address(slow_s3), *_at(slow_s3)]) == 128 + number
    assert signal.getsignal(number) is before
    captured = capsys.readouterr()
    told = captured.out.split()
    summary = re.search(rf"interrupted: (\d+) of {count} uploaded(.*)", captured.err)
    assert summary is not None, captured.err
    assert int(summary[1]) == len(told) == len(set(told))
    assert len(told) + sum(map(int, re.findall(r"\d+", summary[2]))) == count > len(told)
    assert set(told) <= _urls(slow_s3)


def test_a_signal_while_the_spool_is_sent_has_every_file_counted(
    s3: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    close = Uploader.close

    def ended(uploader: Uploader, deadline_s: float | None = None) -> None:
        monkeypatch.setattr(Uploader, "close", close)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Uploader, "close", ended)
    assert run(["upload", *map(str, _files(tmp_path, 2)), _address(s3), *_at(s3)]) == 143
    captured = capsys.readouterr()
    assert "interrupted: 2 of 2 uploaded\n" in captured.err
    assert len(captured.out.split()) == 2


def _onto(monkeypatch: pytest.MonkeyPatch, name: str, descriptor: int) -> None:
    monkeypatch.setattr(sys, name, os.fdopen(descriptor, "w", encoding="utf-8", buffering=1))


def _closed_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def _gone_terminal() -> int:
    ours, terminal = os.openpty()
    os.close(ours)
    return terminal


@pytest.mark.parametrize("gone", [_closed_pipe, _gone_terminal])
def test_an_upload_outlasts_who_reads_it(
    s3: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: Callable[[], int]
) -> None:
    bad = tmp_path / "bad.har"
    bad.write_text("nonsense", encoding="utf-8")
    _onto(monkeypatch, "stdout", gone())
    _onto(monkeypatch, "stderr", gone())
    before = _urls(s3)
    files = [str(bad), *map(str, _files(tmp_path, 5))]
    assert run(["upload", *files, _address(s3), *_at(s3)]) == 2
    assert len(_urls(s3) - before) == 5
    assert run(["upload", *files[1:], _address(s3), *_at(s3)]) == 0
    assert len(_urls(s3) - before) == 10


def test_an_upload_outlasts_the_terminal_of_its_bar(
    s3: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, terminal = os.openpty()
    _onto(monkeypatch, "stdout", os.dup(terminal))
    _onto(monkeypatch, "stderr", terminal)
    echo, before = click.echo, _urls(s3)

    def hung_up(*arguments: Any, **settings: Any) -> None:
        monkeypatch.setattr(click, "echo", echo)
        os.close(ours)
        echo(*arguments, **settings)

    monkeypatch.setattr(click, "echo", hung_up)
    assert run(["upload", *map(str, _files(tmp_path, 5)), _address(s3), *_at(s3)]) == 0
    assert len(_urls(s3) - before) == 5


@pytest.mark.parametrize(("full", "status"), [(False, 0), (True, 2)])
def test_addresses_that_stdout_does_not_take_are_told_beside_the_files(
    s3: FaultyS3,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    full: bool,
    status: int,
) -> None:
    _onto(monkeypatch, "stdout", os.open("/dev/full", os.O_WRONLY) if full else _closed_pipe())
    before = _urls(s3)
    assert run(["upload", *map(str, _files(tmp_path, 3)), _address(s3), *_at(s3)]) == status
    error = capsys.readouterr().err
    assert set(re.findall(r"\d\.har: .*: (s3://\S+)$", error, re.MULTILINE)) == _urls(s3) - before
    assert ("stdout: No space left on device" in error) == full


class Stuck(Uploader):
    """Encodes all files but the first two only once ``go`` is set."""

    go = threading.Event()

    def submit(self, capture: Any, **settings: Any) -> Ticket:
        return super().submit(capture if capture.stem in "01" else self._entries(), **settings)

    def _entries(self) -> Iterator[dict[str, int]]:
        self.go.wait()
        yield {"n": 1}


def test_a_capture_that_waits_for_room_at_ctrl_c_is_told_by_name(
    s3: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = _files(tmp_path, 12)
    echo, calls = click.echo, []

    def interrupted(*arguments: Any, **settings: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:  # the second is stored and not told yet, the third is stuck, the fourth waits for room
            end_s = time.monotonic() + 30.0
            while uploader.stats().submitted < 4 and time.monotonic() < end_s:
                time.sleep(0.01)
            raise KeyboardInterrupt
        echo(*arguments, **settings)

    monkeypatch.setattr(click, "echo", interrupted)
    room_for_one = 40 * MIB  # what is read as it is encoded counts as 24 MiB
    uploader = Stuck(_address(s3), endpoint_url=s3.endpoint().url, memory_budget_bytes=room_for_one)
    try:
        sending = Sending(uploader, files)
        with pytest.raises(KeyboardInterrupt):
            sending.run()
        uploader.close(deadline_s=0.5)
        sending.tell_rest()
    finally:
        uploader.go.set()
        uploader.close()
    captured = capsys.readouterr()
    assert sending.fates == {"uploaded": 2, "dropped": 2, "not begun": 8}
    assert captured.out.count("s3://") == 2
    assert set(captured.out.split()) == _urls(s3)
    assert re.findall(r"(\d+)\.har: dropped: ", captured.err) == ["2", "3"]


def test_a_hostile_file_name_cannot_steer_the_terminal(
    s3: FaultyS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, missing = (tmp_path / f"{name}\x1b[31mvil\n\u202e.har" for name in ("good", "bad", "missing"))
    good.write_text(CAPTURE % 1, encoding="utf-8")
    bad.write_text("nonsense", encoding="utf-8")
    assert run(["upload", str(good), str(bad), _address(s3), *_at(s3)]) == 2
    assert run(["upload", str(missing), _address(s3), *_at(s3)]) == 2
    error = capsys.readouterr().err
    assert not {"\x1b", "\u202e"} & set(error)
    assert all(rf"{name}\x1b[31mvil\n\u202e.har" in error for name in ("good", "bad", "missing"))


def test_a_spool_that_cannot_be_made_is_told_while_s3_works(
    s3: FaultyS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    spool = str(tmp_path / "file" / "spool")
    assert run(["upload", str(_files(tmp_path, 1)[0]), _address(s3), "--spool-dir", spool, *_at(s3)]) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(warnings) == 1
    assert f"--spool-dir {spool}: Not a directory" in warnings[0]


def test_a_spooled_capture_has_its_address_and_the_next_upload_tells_that_it_went_up(
    s3: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(objects, "OUTAGE_S", 0.2)
    one, two = _files(tmp_path, 2)
    spool = ["--spool-dir", str(tmp_path / "spool")]
    assert run(["upload", str(one), _address(s3), *spool, *NOWHERE]) == 1
    captured = capsys.readouterr()
    spooled = re.search(r"0\.har: spooled: .*: (s3://\S+)$", captured.err, re.MULTILINE)
    assert spooled is not None, captured.err
    assert captured.out == ""
    assert run(["upload", str(two), _address(s3), *spool, *_at(s3)]) == 0
    captured = capsys.readouterr()
    assert "and 1 spooled capture\n" in captured.err
    assert _urls(s3) == {spooled[1], captured.out.strip()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["upload", ".", "s3://bucket/x"], "a folder"),
        (["upload", "0.har", "s3://bucket/x", "--endpoint-url", ""], "--endpoint-url is empty"),
        (["fetch", "s3://bucket/x", "--endpoint-url", ""], "--endpoint-url is empty"),
        (
            ["upload", "nan.har", "s3://bucket/x", "--spool-dir", "kept", *NOWHERE],
            "in Python, ReadLimits(allow_nan=True)",
        ),
    ],
)
def test_advice_can_be_followed(
    arguments: list[str],
    message: str,
    s3: FaultyS3,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _files(tmp_path, 1)
    (tmp_path / "nan.har").write_text('{"log": {"entries": [{"a": NaN}]}}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    assert message in capsys.readouterr().err


def test_what_stops_a_fetch_is_named(s3: FaultyS3, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["upload", str(_files(tmp_path, 1)[0]), _address(s3), *_at(s3)]) == 0
    url = capsys.readouterr().out.strip()
    assert run(["fetch", url, "--max-bytes", "10", *_at(s3)]) == 1
    assert "--max-bytes" in capsys.readouterr().err
    output = tmp_path / "none" / "x.har"
    assert run(["fetch", url, "-o", str(output), *_at(s3)]) == 2
    assert f"{output}: No such file" in capsys.readouterr().err
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "packhorse", "fetch", url, *_at(s3)]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "packhorse: stdout: No space left on device\n")
