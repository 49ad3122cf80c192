"""The Node originals: what is missing is said with its cure; figures and report come from the samples alone."""

from __future__ import annotations

import base64
import json
import stat
import zlib
from pathlib import Path
from typing import Any

import pytest

from benches.studies import node
from benches.studies.node import blocks as node_blocks
from benches.studies.node.figures import summed_up
from benches.studies.node.report import markdown
from packhorse.bench import node as node_worker
from packhorse.bench.node import INSTALL, ROWS, NodeError, NodeWorker, pinned, unavailable
from packhorse.cli import run
from packhorse.errors import PackhorseError, UnavailableError

ORIGINALS = Path(__file__).parents[2] / "benches" / "node"
#: Stands in for Node: says its version, and answers orders as worker.js does.
FAKE = """#!/bin/sh
if [ "$1" = --version ]; then echo v20.1.0; exit; fi
while read -r line; do
  case "$line" in
    *die*) echo "out of cheese" >&2; exit 3;;
    *fail*) echo '{"error": "Error: no such thing"}';;
    *) echo '{"wall_s": 0.5, "captures": 1}';;
  esac
done
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of originals with everything installed, and a program called node."""
    program = tmp_path / "bin" / "node"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "worker.js").touch()
    (folder / "package.json").write_text((ORIGINALS / "package.json").read_text())
    for name, version in pinned(folder).items():
        place = folder / "node_modules" / name
        place.mkdir(parents=True)
        (place / "package.json").write_text(json.dumps({"version": version}))
    return folder


def test_versions_are_exact_and_no_addresses_are_kept() -> None:
    versions = pinned(ORIGINALS)
    assert {row.package for row in ROWS if row.package} <= versions.keys()
    assert all(version.replace(".", "").isdigit() for version in versions.values())
    assert not (ORIGINALS / "package-lock.json").exists()
    assert "package-lock=false" in (ORIGINALS / ".npmrc").read_text().split()


def test_without_node_every_row_is_listed_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    document = node.study(quick=True, seed=1, progress=lambda _: None)
    assert {row["name"] for row in document["rows"]} == {row.name for row in ROWS}
    assert all(not row["available"] and "install Node" in row["reason"] for row in document["rows"])
    text = markdown({**document, "command": ["packhorse", "study", "node"]})
    assert INSTALL in text
    assert all(row.name in text for row in ROWS)
    assert run(["candidates", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert INSTALL in listed["Node bfj"]["reason"]
    with pytest.raises(UnavailableError, match="install Node"):
        NodeWorker()


def test_what_is_missing_is_named(fake: Path, tmp_path: Path) -> None:
    assert unavailable(fake) is None
    assert "checkout" in (unavailable(tmp_path) or "")
    manifest = fake / "node_modules" / "bfj" / "package.json"
    manifest.write_text('{"version": "1.0.0"}')
    assert f"is not installed, but 1.0.0: {INSTALL}" in (unavailable(fake) or "")
    manifest.unlink()
    assert f"is not installed: {INSTALL}" in (unavailable(fake) or "")


def test_an_old_node_is_refused(fake: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "node"
    program.write_text(FAKE.replace("v20.1.0", "v18.2.0"))
    node_worker._version.cache_clear()
    try:
        assert "version 18, too old" in (unavailable(fake) or "")
    finally:
        node_worker._version.cache_clear()


def test_a_worker_answers_fails_and_dies_in_words(fake: Path) -> None:
    with NodeWorker(fake) as worker:
        assert worker.ask("encode")["wall_s"] == 0.5
        with pytest.raises(NodeError, match="no such thing"):
            worker.ask("fail")
        with pytest.raises(NodeError, match=r"status 3: out of cheese"):
            worker.ask("die")
    assert worker._process.poll() is not None


def test_objects_are_read_back_before_anything_is_timed() -> None:
    capture = {"log": {"entries": [1, 2.5, "ä"]}}
    stored = base64.b64encode(zlib.compress(json.dumps(capture).encode()))
    node_blocks.expect_same(stored, capture, "it")
    for wrong in (stored[:-8], b"!" + stored, base64.b64encode(b"plain")):
        with pytest.raises(PackhorseError, match="it cannot be read back"):
            node_blocks.expect_same(wrong, capture, "it")
    with pytest.raises(PackhorseError, match="something else"):
        node_blocks.expect_same(stored, {"log": {}}, "it")


def test_a_sample_lasts_as_long_as_it_is_asked_to() -> None:
    asked: list[int] = []

    def work(rounds: int) -> dict[str, Any]:
        asked.append(rounds)
        return {"wall_s": rounds * 0.03, "captures": rounds}

    found = node_blocks.sample(work, 1.2)
    assert found["rounds"] == 40
    assert asked == [1, 2, 4, 8, 40]
    assert node_blocks.sample(work, 0.01, least_rounds=5)["rounds"] == 5


def document(ratio: float) -> dict[str, Any]:
    """Samples in which bfj takes ``ratio`` times JSONStream's time on one capture and four times that on another."""
    captures = [{"name": "a.har", "plain_bytes": 10**6}, {"name": "b.har", "plain_bytes": 10**6}]
    cpu = []
    for capture, factor in (("a.har", 1), ("b.har", 4)):
        for arm in node_blocks.cpu_arms():
            wall_s = factor * ratio if arm == "Node bfj" else 1.0
            alone = 0.25 if arm.endswith(node_blocks.ALONE) else wall_s
            cpu += [
                {
                    "block": b,
                    "arm": arm,
                    "capture": capture,
                    "captures": 2,
                    "wall_s": 2 * alone,
                    "cpu_s": 2,
                    "bytes_out": 9,
                }
                for b in range(2)
            ]
    pieces = {"a.har": {"bfj": {"pieces": 1000}}, "b.har": {"bfj": {"pieces": 4000}}}
    names = ("bfj", "bfj-2019", "JSONStream")
    original = {name: {"wall_s": 1.0 if name == "JSONStream" else 5.0, "iterations": 5} for name in names}
    return {
        "rows": [],
        "interrupted": False,
        "captures": captures,
        "pieces": pieces,
        "original": original,
        "cpu": cpu,
        "settings": {"iterations": 5, "blocks": 2},
        "command": ["packhorse", "study", "node"],
    }


def test_figures_say_where_the_time_goes() -> None:
    found = summed_up(document(4.0))
    assert found["bfj_over_JSONStream"]["b.har"] == {"median": 16.0, "min": 16.0, "max": 16.0}
    explained = found["explained"]["a.har"]
    assert explained["because_of_pieces_s"] == pytest.approx(4.0 - 0.25 - 0.75)
    assert explained["us_per_piece"] == pytest.approx(3000)
    assert found["original_benchmark"]["ratio"] == 5.0
    # From 4 at 1,000 pieces to 16 at 4,000: the published 4.80 lies a little above 1,000.
    assert found["published_ratio_at_pieces_per_mb"] == pytest.approx(1200, rel=0.01)
    text = markdown(found)
    assert "The published 4.80 : 1 lies at about 1,200 pieces per MB here." in text
    assert markdown(summed_up(document(4.0))) == text


def test_a_ratio_beyond_all_captures_is_not_made_up() -> None:
    found = summed_up(document(6.0))
    assert found["published_ratio_at_pieces_per_mb"] is None
    assert "beyond the captures measured here" in markdown(found)


def test_an_interrupted_study_says_so_and_keeps_what_it_has() -> None:
    partial = document(4.0)
    found = summed_up({**partial, "cpu": [], "original": {}, "interrupted": True})
    assert "Interrupted" in markdown(found)
