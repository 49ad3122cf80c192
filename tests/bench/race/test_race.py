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
from dataclasses import fields, replace
from pathlib import Path

import pytest

from packhorse.bench.lab.targets import start_target
from packhorse.bench.race import inputs, lineup, results
from packhorse.bench.race.findings import Findings
from packhorse.bench.race.goals import Require
from packhorse.bench.race.judge import judge
from packhorse.bench.race.options import QUICK, Objective, PhasePlan, RaceOptions
from packhorse.bench.race.phase import PhaseData
from packhorse.bench.race.record import read_record, validate
from packhorse.bench.race.run import run_race
from packhorse.bench.race.spec import Arm, Kind, Sample
from packhorse.bench.report import markdown
from packhorse.cli import run
from packhorse.errors import CaptureError, RecordError
from packhorse.pipeline import ORIGINAL

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
    assert record == read_record(tmp_path / "out")
    assert record["winner"]["pipeline"] in {row["pipeline"] for row in record["results"]}
    assert set(PIPELINES) < {row["pipeline"] for row in record["results"]}
    assert not record["interrupted"]
    assert (tmp_path / "out" / "report.md").read_text() == markdown.render(record)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"record.json", "report.md", "report.svg"} <= written
    assert not any(name.startswith(".") for name in written)
    rows = {row["arm"]: row for row in record["results"]}
    assert {row["role"] for row in rows.values()} == {"candidate", "aa-twin", "reference", "common"}
    assert {row["pipeline"] for row in rows.values() if row["eligible"]} == set(PIPELINES)
    for row in rows.values():
        assert row["eligible"] == (row["role"] == "candidate")
        assert row["captures_per_s"] > 0
        assert row["peak_rss_bytes"] > 0
        assert len(row["samples"]) == row["blocks"] >= 1
    assert record["method"]["yardstick"] == f"{PIPELINES[0]} @2"
    assert record["method"]["looks"]["finals"]["blocks"] == [4, 6, 8]
    for row in rows.values():
        outcome = (row["verdict"] or {}).get("outcome")
        known = {"faster", "slower", "equivalent", "unresolved", "inconclusive: environment"}
        assert outcome in ({None} if PIPELINES[0] in row["arm"] else known)
    references = {row["in_flight"]: row for row in rows.values() if row["role"] == "reference"}
    assert set(references) == {1, 2}
    better = min(references.values(), key=lambda row: row["wall_s"])
    assert better["speedup_over_reference"] == 1.0
    assert record["reference"]["in_flight"] == better["in_flight"]
    held_out = [row for row in record["held_out"]["results"] if row["role"] == "reference"]
    assert {row["in_flight"] for row in held_out} == {1, 2}
    assert {file["name"] for file in record["captures"]} | {f["name"] for f in record["held_out"]["captures"]} == {
        "a.har",
        "b.har",
    }
    assert record["winner"]["held_out"]["captures_per_s"] > 0
    assert {warm["phase"] for warm in record["warmups"]} >= {"ceiling", "finals", "held-out"}


def test_a_screened_race_measures_its_finalists_one_at_a_time_and_holds_out_the_choice_of_every_goal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = {
        field.name: PhasePlan(0.1, 1, 1) for field in fields(QUICK) if isinstance(getattr(QUICK, field.name), PhasePlan)
    }
    monkeypatch.setattr("packhorse.bench.race.options.QUICK", replace(QUICK, **once))  # type: ignore[arg-type]
    few = {lineup.NULL_ARM, "encode/json-iterencode", "encode/orjson-stream", "compress/zlib:1", "compress/zlib:6"}
    screened = lineup.stage_arms
    kept = few | {"base64/base64-stdlib"}
    monkeypatch.setattr(lineup, "stage_arms", lambda given: [arm for arm in screened(given) if arm.name in kept])
    record = run_race(options(tmp_path, pipelines=None, in_flight=(4,), also=("threads",), time_budget_s=10.0))
    finals = {row["arm"]: row for row in record["results"] if row["role"] != "aa-twin"}
    alone = {row["candidate"]: row for row in record["stages"]["alone"]}
    assert alone.keys() == {f"{arm.rpartition(' @')[0]} @1" for arm in finals if ORIGINAL.split(" | ")[0] not in arm}
    for row in alone.values():
        assert (row["in_flight"], row["blocks"]) == (1, 1)
        assert 0 < row["put_s"] < row["wall_s"]
    chosen = [row for row in record["held_out"]["results"] if row["role"] == "candidate"]
    threads = judge(record, Objective.THROUGHPUT, source_sha256="0" * 64, require=Require.THREADS)
    assert threads["winner"]["pipeline"] in {row["pipeline"] for row in chosen}
    assert threads["winner"]["held_out"]["captures_per_s"] > 0


def test_the_reference_divides_at_its_better_concurrency() -> None:
    finals = PhaseData("finals")
    walls = {"slow @8": 0.4, "slow @1": 0.2, "fast @8": 0.1}
    for name, wall_s in walls.items():
        finals.arms[name] = Arm(name, Kind.UPLOAD, name.split(" @")[0], int(name[-1]))
        for block in range(4):
            finals.samples.append(
                Sample(name, block, 1, 1, wall_s * (1 + block), wall_s, 0.0, 0.0, 0, 1, 0, 0.0, 0.0, wall_s, wall_s)
            )
    found = Findings(phases={"finals": finals}, reference=finals.arms["slow @8"])
    better = results.better_reference(found, finals)
    assert better is not None
    assert better.in_flight == 1
    assert {name: results.speedup(found, finals, name) for name in walls} == pytest.approx(
        {"slow @8": 0.5, "slow @1": 1.0, "fast @8": 2.0}
    )


def test_a_record_holds_no_paths_and_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-seen")
    monkeypatch.setattr(sys, "argv", ["packhorse", "race", str(tmp_path / "a.har"), "https://me:pw@s3.test/x"])
    record = run_race(options(tmp_path, in_flight=(1,)))
    text = json.dumps(record)
    assert "not-to-be-seen" not in text
    assert str(tmp_path) not in text
    assert "me:pw" not in text
    assert record["command"] == "packhorse race a.har https://s3.test/x"


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
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "planted"))
    pipelines = ("json | none | raw | memory", "json | bz2:9 | raw | memory", "json | lzma:1 | raw | memory")
    captures = (har(tmp_path / "one.har", count=20),)
    record = run_race(options(tmp_path, captures=captures, pipelines=pipelines, in_flight=(1,)))
    assert record["winner"]["pipeline"] not in (None, *pipelines[1:])
    failed = {row["pipeline"]: row for row in record["results"] if row["error"]}
    assert set(failed) == set(pipelines[1:])
    assert "planted" in failed[pipelines[1]]["error"]
    assert "exit status -6" in failed[pipelines[2]]["error"]
    assert all(row["captures_per_s"] is None and row["samples"] == [] for row in failed.values())
    assert "only one was given" in record["held_out"]["note"]
    assert "## Failed" in markdown.render(record)


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
            def block(self, phase, index, arms):
                print(phase, index, flush=True)

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
            if line.split() == ["finals", "2"]:
                race.send_signal(signal.SIGINT)
                break
        race.stdout.read()
        assert race.wait(timeout=120) == 0
    finally:
        if race.poll() is None:
            os.killpg(race.pid, signal.SIGKILL)
            race.wait()
    record = read_record(tmp_path / "out")
    assert record["interrupted"]
    assert not record["winner"]["named"]
    finished = [b for b in record["blocks"] if b["phase"] == "finals" and b["finished"] and not b["suspect"]]
    assert len(finished) >= 2
    for row in record["results"]:  # on a busy machine an arm may have left before the interrupt
        assert row["blocks"] >= max(1, sum(row["arm"] in block["order"] for block in finished))
    assert "interrupted" in (tmp_path / "out" / "report.md").read_text()
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
        while b"block 2" not in said:
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
    assert read_record(out)["interrupted"]
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
            assert record["errors"] == []  # as of PUTs that race for the prefix's folder
            prefixes.append(record["target"]["key_prefix"])
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
    assert inputs.Inputs.load(tmp_path, [written.name]).captures == [{"body": "\ud800"}]


def test_a_record_of_another_version_is_refused() -> None:
    from packhorse.errors import RecordError

    with pytest.raises(RecordError, match="schema_version is 99"):
        validate({"schema_version": 99}, source="record.json")
    for version in (1, 2):
        with pytest.raises(RecordError, match="machine"):
            validate({"schema_version": version}, source="record.json")
