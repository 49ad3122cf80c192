"""The rows that follow from what is compared."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import packhorse
from packhorse.bench.gate.config import parse_config
from packhorse.bench.gate.plan import GateRequest, find_captures, find_subjects, make_plan
from packhorse.bench.gate.worker import profile_row
from packhorse.bench.lab.targets import start_target
from packhorse.errors import InputError
from packhorse.uploader.sync import Uploader


def plan_of(tmp_path: Path, base: str, head: str | None, **config: Any) -> Any:
    request = GateRequest(base, head, tmp_path, parse_config(config))
    return make_plan(request, *find_subjects(request, tmp_path))


def a_profile(tmp_path: Path, in_flight: int) -> str:
    path = tmp_path / f"of-{in_flight}.toml"
    path.write_text(
        f'schema_version = 1\nname = "p"\npipeline = "json | zlib:1 | raw | obstore"\nmax_in_flight = {in_flight}\n'
    )
    return str(path)


def test_profiles_upload_at_their_own_in_flight_and_do_the_same_work(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, a_profile(tmp_path, 3), a_profile(tmp_path, 12))
    uploads = {arm: rows[1] for arm, rows in plan.rows.items()}
    assert {arm: (row["in_flight"], row["copies"]) for arm, row in uploads.items()} == {
        "base": (3, 12),
        "base-again": (3, 12),
        "head": (12, 12),
    }
    assert plan.settings == {"in_flight": {"base": 3, "head": 12}}
    assert plan.uploads


def test_captures_of_one_file_name_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.har").write_text('{"log": {"entries": []}}')
    request = GateRequest("main", None, tmp_path, parse_config({"captures": ["a/one.har", "b/one.har"]}))
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"two captures are called 'one\.har' \(a/one\.har and b/one\.har\)"):
        find_captures(request, find_subjects(request, tmp_path)[0], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("row", "uploads"),
    [
        ({"call": "a:b"}, False),
        ({"pipeline": "json | none | raw"}, False),
        ({"pipeline": "json | none | raw | obstore"}, True),
        ({"profile": "default"}, True),
    ],
)
def test_a_target_is_started_only_for_rows_that_upload(tmp_path: Path, row: dict[str, str], *, uploads: bool) -> None:
    assert plan_of(tmp_path, "main", None, rows=[{"name": "r", **row}]).uploads is uploads


def test_what_a_profile_uploads_is_fetched_and_compared_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = {"log": {"entries": [{"n": 1}]}}
    with start_target("rclone") as target, ExitStack() as opened:

        def opening(*given: Any, **options: Any) -> Uploader:
            return opened.enter_context(Uploader(*given, **options))

        monkeypatch.setattr(packhorse, "Uploader", opening, raising=False)  # a row leaves it to its process's end
        plan = plan_of(tmp_path, a_profile(tmp_path, 2), a_profile(tmp_path, 4))
        plan.send_to(target.endpoint)
        row = plan.rows["base"][1]
        one = profile_row(row, [capture])()
        assert one > 0
        assert one % 4 == 0  # four copies, all of one size
        monkeypatch.setattr(packhorse, "fetch", lambda *_, **__: {"log": {"entries": []}}, raising=False)
        with pytest.raises(ValueError, match="capture 0 does not come back equal"):
            profile_row(row, [capture])
