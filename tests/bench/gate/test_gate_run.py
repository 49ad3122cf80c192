"""Gates between revisions of a small project, with real processes. Margins are wide and planted changes large."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from packhorse.bench.gate import measure as measuring
from packhorse.bench.gate import run as running
from packhorse.bench.gate.config import GateRow, parse_config
from packhorse.bench.gate.measure import BASE, BASE_AGAIN, HEAD, Bench
from packhorse.bench.gate.process import Worker, WorkerDied
from packhorse.bench.gate.record import read_gate, validate, write_gate
from packhorse.bench.gate.run import GateRequest, run_gate
from packhorse.bench.gate.sides import checkout, commit_of, here
from packhorse.bench.gate.subjects import SubjectKind, check_comparable, resolve
from packhorse.bench.gate.worker import Spare
from packhorse.bench.race.record import read_plain
from packhorse.bench.stats.gate import RowData
from packhorse.errors import InputError
from packhorse.pipeline import Pipeline
from tests.bench.gate.gate_shop import QUICK, ROW, WORK, Quiet, gate, git, make_shop


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path)


def test_one_tree_against_itself_is_never_a_regression(shop: Path) -> None:
    record, _ = gate(shop)
    assert record["exit_code"] != 1
    assert record["rows"][0]["outcome"] in {"passed", "unresolved", "inconclusive: environment"}
    assert record["head"] == "working tree"


def test_a_change_that_does_far_more_work_fails_after_two_measurements(shop: Path, tmp_path: Path) -> None:
    (shop / "shop.py").write_text(WORK.format(400_000))  # not even committed
    record, observer = gate(shop)
    row = record["rows"][0]
    assert row["outcome"] == "regressed"
    assert record["exit_code"] == 1
    assert row["measurements"] == 2
    assert observer.measurements == [(1, ["encode"]), (2, ["encode"])]
    assert observer.blocks == 16
    assert row["ratio"] > 1.3
    assert row["bytes_out"] == {"base": 10, "head": 10}
    write_gate(record, tmp_path / "gate.json")
    assert read_gate(tmp_path) == record


def test_a_row_that_the_change_breaks_is_a_regression(shop: Path) -> None:
    (shop / "shop.py").write_text(WORK.format(20_000) + "def other(capture):\n    return b''\n")
    git(shop, "commit", "-qam", "two")
    git(shop, "tag", "-f", "base")
    (shop / "shop.py").write_text(WORK.format(20_000) + "def other(capture):\n    raise ValueError('no')\n")
    record, _ = gate(shop, blocks=9, rows=[ROW, {"name": "other", "call": "shop:other"}])
    assert record["exit_code"] == 1
    assert record["rows"][1]["outcome"] == "broken"
    assert "ValueError: no" in record["rows"][1]["error"]


def test_a_row_that_the_base_does_not_have_is_new_and_not_compared(shop: Path) -> None:
    (shop / "shop.py").write_text(WORK.format(20_000) + "def other(capture):\n    return b''\n")
    record, _ = gate(shop, blocks=9, rows=[ROW, {"name": "other", "call": "shop:other"}])
    assert record["rows"][1]["outcome"] == "new"
    assert record["exit_code"] != 1


def test_a_row_that_runs_nowhere_is_unusable_input(shop: Path) -> None:
    with pytest.raises(InputError, match="'gone' runs on neither side: AttributeError"):
        gate(shop, blocks=9, rows=[ROW, {"name": "gone", "call": "shop:gone"}])


def test_a_project_in_a_folder_of_its_repository_is_measured_there(shop: Path) -> None:
    project = shop / "services" / "till"
    (project / "src").mkdir(parents=True)
    (project / "src" / "till.py").write_text(WORK.format(20_000))
    git(shop, "add", ".")
    git(shop, "commit", "-qm", "a second project")
    git(shop, "tag", "-f", "base")
    record, _ = gate(project, rows=[{"name": "encode", "call": "till:encode"}])
    assert record["rows"][0]["bytes_out"] == {"base": 10, "head": 10}
    git(shop, "tag", "-f", "base", "HEAD~1")
    with pytest.raises(InputError, match="base has no folder services/till"):
        gate(project, rows=[{"name": "encode", "call": "till:encode"}])


def test_no_rows_tells_how_to_declare_them(shop: Path) -> None:
    config = replace(parse_config(QUICK), rows=())
    with pytest.raises(InputError, match=r"\[\[tool\.packhorse\.gate\.rows\]\]"):
        run_gate(GateRequest("base", None, shop, config, own_environments=False), Quiet())


def test_an_unknown_revision_is_refused_with_what_to_do(shop: Path) -> None:
    with pytest.raises(InputError, match="fetch-depth"):
        commit_of(shop, "nowhere")
    with pytest.raises(InputError, match="not a git repository"):
        run_gate(GateRequest("base", None, shop.parent, parse_config({"rows": [ROW]}), own_environments=False), Quiet())


def test_the_working_tree_is_copied_as_it_is(shop: Path, tmp_path: Path) -> None:
    (shop / "new.py").write_text("x = 1\n")
    (shop / "noise.log").write_text("ignored\n")
    (shop / "gone.py").write_text("")
    git(shop, "add", "gone.py")
    git(shop, "commit", "-qm", "three")
    (shop / "gone.py").unlink()
    folder = checkout(shop, None, tmp_path / "copy")
    assert sorted(path.name for path in folder.iterdir() if path.name != ".git") == [".gitignore", "new.py", "shop.py"]
    assert git(shop, "status", "--porcelain").split() == ["D", "gone.py", "??", "new.py"]


def one_block(
    bench: Bench, names: Sequence[str], *, measurement: int, blocks: int, seed: int, done: Callable[[], None]
) -> dict[str, RowData]:
    """Stands in for ``measure``: one block is taken, and repeated as if it were many."""
    taken = measuring._block(bench, list(names), measurement, 0, random.Random(seed))
    # The base's two processes swap by block: a difference between them that stayed would be the environment's.
    other = {BASE: BASE_AGAIN, BASE_AGAIN: BASE, HEAD: HEAD}
    for block in range(blocks):
        bench.timings += [
            msgspec.structs.replace(t, block=block, arm=other[t.arm] if block % 2 else t.arm) for t in taken
        ]
        done()
    return measuring.paired(bench.timings, names, measurement)


def test_two_profiles_are_compared_without_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "measure", one_block)
    capture, slow = tmp_path / "one.json", tmp_path / "slow.toml"
    # What is redacted before it is uploaded: what is fetched is compared with the redacted capture.
    headers = [{"name": "Authorization", "value": "Bearer secret-of-a-user"}]
    entries = [{"n": number, "t": "x" * 50, "request": {"headers": headers}} for number in range(20)]
    capture.write_text(json.dumps({"log": {"entries": entries}}))
    slow.write_text(
        'schema_version = 1\nname = "slow"\npipeline = "json-iterencode | zlib:9 | raw | obstore"\nmax_in_flight = 8\n'
    )
    config = replace(parse_config(QUICK), blocks=9, sample_s=0.001, target="rclone")
    request = GateRequest("default", str(slow), tmp_path, config, captures=(capture,))
    record = validate(run_gate(request, Quiet()), source="test")
    assert [row["name"] for row in record["rows"]] == ["cpu", "upload"]
    assert record["head"] == "slow.toml"  # and not where it lies
    assert record["rows"][0]["outcome"] == "regressed"
    assert record["rows"][1]["ratio"] > 0  # uploaded, fetched, found equal and timed
    assert "secret" not in json.dumps(record)


def test_a_revision_is_not_compared_with_a_profile(shop: Path) -> None:
    with pytest.raises(InputError, match=r"is a revision.*a profile"):
        gate(shop, head="default")


def test_a_side_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import os, sys\ndef encode():\n    sys.exit('the end')\n")
    side = replace(here("base", "x"), folder=tmp_path)
    with Worker(side) as worker, pytest.raises(WorkerDied, match="exit status 1: the end"):
        worker.prepare(tmp_path, [], [{"name": "encode", "call": "shop:encode"}])
    assert not [p for p in psutil.Process().children(recursive=True) if "worker.py" in " ".join(p.cmdline())]


def test_planted_work_is_done_and_the_output_stays_right() -> None:
    codec = Pipeline.parse("orjson-stream | isal:2 | raw").codec()
    extra: list[bytes] = []

    class Counting:
        def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
            extra.extend(chunks)
            yield b""

    capture = {"log": {"entries": [{"n": number, "t": "x" * 50} for number in range(3000)]}}
    whole = b"".join(codec.encode(capture))
    for plant_bytes in (0, 1_000, 5_000_000):
        extra.clear()
        planted = replace(codec, compressor=Spare(codec.compressor, Counting(), plant_bytes))
        assert b"".join(planted.encode(capture)) == whole
        assert sum(len(chunk) for chunk in extra) == plant_bytes


@pytest.fixture
def a_record(tmp_path: Path) -> Callable[..., str]:
    """A race's record with some fields changed, as a file."""
    published = read_plain(Path(__file__).parents[3] / "reports" / "race-default")

    def make(**machine: Any) -> str:
        path = tmp_path / "record.json"
        path.write_text(json.dumps({**published, "machine": {**published["machine"], **machine}}))
        return str(path)

    return make


def test_a_record_from_elsewhere_is_refused_by_field(a_record: Callable[..., str], tmp_path: Path) -> None:
    subject = resolve(a_record(cpu_model="Abacus"), tmp_path)
    assert subject.kind is SubjectKind.RECORD
    assert subject.record is not None
    captures = {c["name"]: c["sha256"] for c in subject.record["captures"]}
    link = subject.record["link"]
    link = link["name"] if isinstance(link, dict) else link
    machine = subject.record["machine"]
    check_comparable([subject], machine, link, captures)
    with pytest.raises(InputError, match=r"machine\.cpu_model is 'Abacus'.*'Loom' here"):
        check_comparable([subject], {**machine, "cpu_model": "Loom"}, link, captures)
    with pytest.raises(InputError, match="link is"):
        check_comparable([subject], machine, "carrier pigeon", captures)
    with pytest.raises(InputError, match=r"captures\..*\.sha256"):
        check_comparable([subject], machine, link, {"mine.har": "00"})


def test_rows_with_a_store_and_profiles_upload() -> None:
    assert GateRow("a", pipeline="orjson | none | raw | boto3").uploads
    assert not GateRow("a", pipeline="orjson | none | raw").uploads
