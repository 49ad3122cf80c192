"""Real, tiny races against the in-memory store: child processes, records, reports, interrupts."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from packhorse.bench.lab.targets import start_target
from packhorse.bench.race import inputs, lineup, screening
from packhorse.bench.race.goals import Require
from packhorse.bench.race.hot_path import parsed
from packhorse.bench.race.judge import judge
from packhorse.bench.race.objective import Objective
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.record import plain, read_record, validate
from packhorse.bench.race.results import Asked
from packhorse.bench.race.run import run_race
from packhorse.bench.race.screener import Candidate
from packhorse.bench.race.spec import Role, Way
from packhorse.bench.report import markdown
from packhorse.cli import run
from packhorse.errors import CaptureError, RecordError

PIPELINES = ("json | zlib:1 | raw | memory", "json-iterencode:chunk=64KiB | zlib:6 | raw | memory")


def har(path: Path, *, count: int, extra: object = None) -> Path:
    entries = [{"request": {"url": f"https://site.test/{i}", "headers": []}, "time": i} for i in range(count)]
    path.write_text(json.dumps({"log": {"version": "1.2", "extra": extra, "entries": entries}}))
    return path


def options(tmp_path: Path, **more: object) -> RaceOptions:
    captures = (har(tmp_path / "a.har", count=50), har(tmp_path / "b.har", count=80))
    given = {"captures": captures, "target": "memory", "quick": True, "time_budget_s": 2.0, "pipelines": PIPELINES}
    return RaceOptions(out_dir=tmp_path / "out", **{**given, **more})  # type: ignore[arg-type]


def test_a_race_of_given_pipelines_leaves_a_valid_record_and_its_report(tmp_path: Path) -> None:
    record = run_race(options(tmp_path, in_flight=(2,)))
    assert plain(record) == plain(read_record(tmp_path / "out"))
    assert record.winner.pipeline in {row.pipeline for row in record.results}
    assert set(PIPELINES) < {row.pipeline for row in record.results}
    assert not record.interrupted
    assert record.redacted
    assert (tmp_path / "out" / "report.md").read_text() == markdown.render(plain(record))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"record.json", "report.md", "report.svg"} <= written
    assert not any(name.startswith(".") for name in written)
    assert [row.role for row in record.results[-2:]] == [Role.COMMON, Role.REFERENCE]
    assert {row.pipeline for row in record.results if row.eligible} == set(PIPELINES)
    for row in record.results:
        assert row.eligible == (row.role is Role.CANDIDATE)
        assert row.captures_per_s is not None
        assert row.captures_per_s > 0
        assert row.processes == 1 if row.role is Role.REFERENCE else row.processes >= 2  # a quick race has it once
        assert row.way is (Way.HOT if row.role in (Role.CANDIDATE, Role.TWIN) else Way.BARE)
        assert (row.verdict is not None) == (row.role is Role.CANDIDATE)
        assert row.speedup_over_reference is not None
    assert record.results[-1].speedup_over_reference == 1.0
    assert record.looks[-1].last
    assert record.twin is not None
    finals = [row for row in record.rounds if row.phase == "finals"]
    assert {row.process for row in finals} == set(range(record.winner.processes))
    published = record.published
    assert published is not None
    assert [row.way for row in published.results if row.role is Role.CANDIDATE] == list(Way)
    assert published.over_common is not None
    assert record.winner.held_out is not None
    assert record.winner.held_out.captures_per_s == next(
        row.captures_per_s for row in published.results if row.way is Way.UPLOADER
    )
    assert {file.name for file in (*record.captures, *record.held_out)} == {"a.har", "b.har"}
    assert not {file.name for file in record.captures} & {file.name for file in published.captures}
    assert record.winner.sentence.count(record.winner.pipeline) == 1


def test_a_race_without_redaction_says_so(tmp_path: Path) -> None:
    record = run_race(options(tmp_path, in_flight=(2,), redact=False, pipelines=PIPELINES[:1]))
    assert not record.redacted
    assert {row.way for row in record.results if row.eligible} == {Way.UNREDACTED}
    assert record.published is not None
    assert Way.HOT not in {row.way for row in record.published.results}
    assert "Without redaction" in (tmp_path / "out" / "report.md").read_text()


def test_a_screened_race_takes_the_best_to_the_finals_and_what_its_goals_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [
        Candidate("encode", "json-iterencode"),
        Candidate("encode", "orjson-stream"),
        Candidate("encode", "orjson"),
        Candidate("compress", "zlib:1"),
        Candidate("compress", "gzip:6"),
        Candidate("compress", "lzma:1"),
        Candidate("base64", "base64-stdlib"),
        Candidate("store", "memory"),
    ]
    monkeypatch.setattr(lineup, "stage_candidates", lambda _: few)
    monkeypatch.setattr(screening, "BYTES_A_PASS", 20_000)
    record = run_race(options(tmp_path, pipelines=None, in_flight=(2,), also=("plain", "text"), time_budget_s=4.0))
    assert {stage: {row.candidate for row in rows} for stage, rows in record.stages.items()} == {
        stage: {one.text for one in few if one.stage == stage} for stage in ("encode", "compress", "base64", "store")
    }
    encoders = {row.candidate: row for row in record.stages["encode"]}
    assert encoders["orjson-stream"].cpu_s is not None
    assert encoders["orjson"].predicted is None  # it holds a whole capture, and may not win
    assert encoders["orjson-stream"].predicted is not None
    finals = {row.pipeline for row in record.results if row.role is Role.CANDIDATE}
    assert "orjson-stream | gzip:6 | raw | memory" in finals  # for plain
    texts = [row.pipeline for row in record.results if row.for_text]
    assert len(texts) == 1
    assert "base64-stdlib" in texts[0]
    assert record.winner.pipeline not in texts
    for require in (Require.PLAIN, Require.TEXT):
        by = judge(record, Asked(Objective.THROUGHPUT, require), source_sha256="0" * 64)
        assert by.winner.held_out is not None, require


def test_a_record_holds_no_paths_and_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-seen")
    monkeypatch.setattr(sys, "argv", ["packhorse", "race", str(tmp_path / "a.har"), "https://me:pw@s3.test/x"])
    record = run_race(options(tmp_path, in_flight=(1,), pipelines=PIPELINES[:1]))
    text = json.dumps(plain(record))
    assert "not-to-be-seen" not in text
    assert str(tmp_path) not in text
    assert "me:pw" not in text
    assert record.command == "packhorse race a.har https://s3.test/x"


#: Imported by every Python process that finds it on its path: plants two defects in the block processes.
PLANTED = """
import os
import packhorse.stages.compress.bz2_std as raising
import packhorse.stages.compress.lzma_std as crashing

def refuse(**settings):
    raise RuntimeError("planted")

raising.make = refuse
crashing.make = lambda **settings: os.abort()
"""


def test_what_raises_and_what_crashes_become_error_rows_and_the_race_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "sitecustomize.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "planted"), os.environ.get("PYTHONPATH", "")]))
    pipelines = ("json | none | raw | memory", "json | bz2:9 | raw | memory", "json | lzma:1 | raw | memory")
    captures = (har(tmp_path / "one.har", count=20),)
    record = run_race(options(tmp_path, captures=captures, pipelines=pipelines, in_flight=(1,)))
    assert record.winner.pipeline not in (None, *pipelines[1:])
    failed = {row.pipeline: row for row in record.results if row.error}
    assert set(failed) == set(pipelines[1:])
    assert "planted" in str(failed[pipelines[1]].error)
    assert "SIGABRT" in str(failed[pipelines[2]].error)
    assert all(row.captures_per_s is None and row.samples == [] for row in failed.values())
    assert record.published is not None
    assert "only one was given" in record.published.note
    assert "## Failed" in markdown.render(plain(record))


def test_nothing_is_written_when_a_capture_cannot_be_used(tmp_path: Path) -> None:
    bad = tmp_path / "bad.har"
    bad.write_text("not JSON")
    with pytest.raises(CaptureError, match=r"bad\.har"):
        run_race(options(tmp_path, captures=(bad,)))
    assert not (tmp_path / "out").exists()


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from packhorse.bench.race.options import RaceOptions
        from packhorse.bench.race.progress import Silent
        from packhorse.bench.race.run import run_race

        class Telling(Silent):
            def process(self, number, planned, arms):
                print("process", number, flush=True)

        folder = Path(sys.argv[1])
        run_race(RaceOptions(captures=(folder / "a.har", folder / "b.har"), target="memory", quick=True,
            time_budget_s=60, in_flight=(2,), out_dir=folder / "out",
            pipelines=("json | zlib:1 | raw | memory", "json | zlib:6 | raw | memory")), Telling())
        """
    )
    options(tmp_path)  # writes the captures
    race = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert race.stdout is not None
    try:
        for line in race.stdout:
            if line.split() == ["process", "3"]:
                race.send_signal(signal.SIGINT)
                break
        race.stdout.read()
        assert race.wait(timeout=120) == 0
    finally:
        if race.poll() is None:
            os.killpg(race.pid, signal.SIGKILL)
            race.wait()
    record = read_record(tmp_path / "out")
    assert record.interrupted
    assert not record.winner.named
    assert len({row.process for row in record.rounds}) >= 2
    assert all(row.samples for row in record.results)
    assert "Interrupted; ahead so far" in (tmp_path / "out" / "report.md").read_text()
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"record.json", "report.md", "report.svg"} <= written
    assert not any(name.startswith(".") for name in written)


@pytest.mark.parametrize("how", ["terminated", "terminal closed"])
def test_a_race_ended_from_outside_keeps_its_record_and_leaves_no_capture(tmp_path: Path, how: str) -> None:
    ours, theirs = pty.openpty()
    capture, out, temporary = har(tmp_path / "a.har", count=50), tmp_path / "out", tmp_path / "tmp"
    temporary.mkdir()
    command = ["race", str(capture), "--target", "memory", "--quick", "--time", "60", "--in-flight", "2"]
    command += ["-o", str(out), *(word for text in PIPELINES for word in ("--pipeline", text))]
    race = subprocess.Popen(
        [sys.executable, "-m", "packhorse", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
    )
    try:
        os.close(theirs)
        said = b""
        while b"process 2" not in said:
            said += os.read(ours, 4096)
        assert list(temporary.rglob("a.har"))
        if how == "terminated":
            race.send_signal(signal.SIGTERM)
            while _read(ours):
                pass
        os.close(ours)
        if how == "terminal closed":
            time.sleep(0.5)  # some writes to it fail before the signal comes, as they may on any machine
            race.send_signal(signal.SIGHUP)
        told, _ = race.communicate(timeout=120)
        assert race.returncode == 130
    finally:
        if race.poll() is None:
            os.killpg(race.pid, signal.SIGKILL)
            race.wait()
    assert read_record(out).interrupted
    assert list(temporary.iterdir()) == []
    assert b"publish the winner" not in told


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux: the other side has closed it
        return b""


def test_a_race_in_a_user_s_bucket_keeps_to_a_prefix_of_its_own_and_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = har(tmp_path / "a.har", count=20)
    prefixes = []
    with start_target("rclone") as target:
        endpoint, server = target.endpoint, target.server
        assert server is not None
        bucket = server.directory / "objects" / endpoint.bucket
        (bucket / "of-another").write_text("here before")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", endpoint.access_key or "")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", endpoint.secret_key or "")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        for out in (tmp_path / "one", tmp_path / "two"):
            command = ["race", str(capture), "--target", str(endpoint.url), "--bucket", endpoint.bucket, "-o", str(out)]
            command += ["--pipeline", "json | zlib:1 | raw | boto3", "--in-flight", "8", "--quick", "--time", "2"]
            assert run(command) in {0, 3}
            record = read_record(out)
            assert record.errors == []  # as of PUTs that race for the prefix's folder
            prefixes.append(record.target["key_prefix"])
            assert f": s3://{endpoint.bucket}/{prefixes[-1]}\n" in capsys.readouterr().out
        assert {path.name for path in bucket.iterdir()} == {"of-another", *(prefix.rstrip("/") for prefix in prefixes)}
        assert all(list((bucket / prefix).iterdir()) for prefix in prefixes)
    assert len(set(prefixes)) == 2


def test_a_folder_made_for_a_target_that_cannot_be_used_goes_again(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.mkdir()
    for folder in (new, old):
        assert run(["race", "--target", "nowhere", "-o", str(folder)]) == 2
    assert list(tmp_path.iterdir()) == [old]


def test_a_broken_record_is_named_with_its_folder(tmp_path: Path) -> None:
    for text in ("{", "{}"):
        (tmp_path / "record.json").write_text(text)
        with pytest.raises(RecordError, match=re.escape(str(tmp_path / "record.json"))):
            read_record(tmp_path)


def test_captures_are_split_into_raced_and_held_out(tmp_path: Path) -> None:
    files = [inputs.write(tmp_path, f"{i}.json", {"entries": [i]}, "given") for i in range(7)]
    raced, held_out, note = inputs.split(files, seed=1)
    assert len(held_out) == 2
    assert sorted([*raced, *held_out], key=lambda file: file.name) == files
    assert inputs.split(files[::-1], seed=1)[1] == held_out
    assert "2 of the 7" in note


def test_a_lone_surrogate_can_be_raced_on(tmp_path: Path) -> None:
    written = inputs.write(tmp_path, "s.json", {"body": "\ud800"}, "given")
    assert parsed((tmp_path / written.name).read_bytes()) == {"body": "\ud800"}


def test_a_record_of_another_version_is_refused() -> None:
    with pytest.raises(RecordError, match="schema_version is 99"):
        validate({"schema_version": 99}, source="record.json")
    for version in (1, 2):
        with pytest.raises(RecordError, match="race again"):
            validate({"schema_version": version}, source="record.json")
    with pytest.raises(RecordError, match=r"record\.json: .*command"):
        validate({"schema_version": 3}, source="record.json")
