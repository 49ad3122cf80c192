"""Whatever is submitted has one classified fate and the workers live on; nothing secret gets past redaction."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import logging
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from packhorse.errors import InputError, StoreErrorKind, UploadFailed
from packhorse.uploader.spool.files import SpooledFile
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate
from tests.support.check_redaction import planted_entries
from tests.uploader.fakes import PROFILE, FakeStore, failure, options
from tests.uploader.reliability import note, quick_and_full
from tests.uploader.test_uploader import CAPTURE, balanced


class Raising:
    """Raises wherever it is looked at."""

    def __str__(self) -> str:
        raise ValueError("str")

    def __repr__(self) -> str:
        return "Raising()"  # Hypothesis shows its strategies

    def __len__(self) -> int:
        raise ValueError("len")

    def keys(self) -> Any:
        raise RuntimeError("keys")


def cycle() -> dict[str, Any]:
    found: dict[str, Any] = {"log": {"entries": []}}
    found["log"]["entries"].append(found)
    return found


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return {"deep": value}


ODD = st.sampled_from(
    [
        float("nan"),
        float("inf"),
        "\ud800",
        "\x00",
        10**400,
        Raising(),
        object(),
        b"\xff",
        {1: 2},
        {None: 1},
        {(1, 2): 3},
    ]
)
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | ODD
JSONISH = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=8) | st.integers() | st.sampled_from(["\ud800", "log", "entries"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
CAPTURES = (
    JSONISH
    | st.builds(lambda entries: {"log": {"entries": entries}}, st.lists(JSONISH, max_size=4) | JSONISH)
    | st.builds(iter, st.lists(JSONISH, max_size=4))
    | st.binary(max_size=60)
    | st.builds(lambda value: json.dumps(value).encode(), st.dictionaries(st.text(), st.integers(), max_size=4))
    | st.builds(cycle)
    | st.builds(deep, st.sampled_from([10, 500, 2_000, 100_000]))
    | st.sampled_from([Path("/nowhere/at/all"), "nowhere", "", "\x00", Path("/"), Path("/dev/null")])
)
KEYS = (
    st.none() | st.text(max_size=20) | st.sampled_from(["../x", "a/../b", "x\n", "k" * 1025, "é" * 600, "a//b", "/a"])
)


@quick_and_full("examples", 200, 10_000)
@pytest.mark.parametrize("redact", [True, False])
def test_every_capture_has_one_classified_fate(examples: int, redact: bool) -> None:
    store = FakeStore()
    fates: dict[str, int] = {}
    submitted = 0
    with Uploader("s3://bucket", profile=PROFILE, redact=redact, options=options(store)) as up:

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(CAPTURES, KEYS)
        def submit(capture: Any, key: str | None) -> None:
            nonlocal submitted
            try:
                ticket = up.submit(capture, key=key)
            except InputError:
                fates["refused key"] = fates.get("refused key", 0) + 1
                return
            submitted += 1
            with contextlib.suppress(UploadFailed):
                ticket.result(60)
            assert ticket.fate in {Fate.UPLOADED, Fate.FAILED}
            assert (ticket.reason == "") == (ticket.fate is Fate.UPLOADED)
            assert not ticket.reason.startswith("unexpected Assertion")
            fates[ticket.fate.value] = fates.get(ticket.fate.value, 0) + 1

        submit()
        assert up.upload(CAPTURE, timeout_s=60).attempts == 1  # the workers are alive
        assert not [thread for thread in up._engine.core.threads if not thread.is_alive()]
    stats = up.stats()
    note(f"hostile input, redact={redact}", examples=examples, fates=fates, reasons=dict(stats.reasons))
    assert stats.submitted == submitted + 1
    assert (stats.in_flight, stats.held_bytes) == (0, 0)
    assert balanced(stats)
    assert fates["uploaded"] > 0
    assert fates["failed"] > 0


@quick_and_full("secrets", 600, 10_000)
def test_no_secret_gets_out_of_a_failing_uploader(secrets: int, tmp_path: Path) -> None:
    """Into objects, the spool, logs, tickets, exceptions or stats."""
    source = random.Random(7)
    kinds = [StoreErrorKind.CONNECTION, StoreErrorKind.DENIED, StoreErrorKind.INVALID, StoreErrorKind.THROTTLED]
    store = FakeStore([failure(source.choice(kinds)) for _ in range(secrets * 3)])  # nothing gets through at first
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    words: list[str] = []
    said: list[str] = []
    try:
        chosen = options(store, max_attempts=2, max_in_flight=4)
        with Uploader("s3://bucket", profile=PROFILE, spool_dir=tmp_path, options=chosen) as up:
            tickets = []
            for number, (_, secret, entry) in enumerate(planted_entries(secrets, seed=11)):
                words.append(secret)
                bad: dict[str, Any] = {"unencodable": object()} if number % 10 == 0 else {}
                tickets.append(up.submit({"log": {"version": "1.2", "entries": [entry]}, **bad}))
            for ticket in tickets:
                try:
                    ticket.result(60)
                except UploadFailed as error:
                    said += [str(error), repr(error.__cause__), repr(error.__context__), ticket.reason, repr(ticket)]
            raw, spooled = _on_disk(tmp_path)
            store.failures.clear()
            up._engine.core.scheduler.drain_pace.worked()  # its pause is over
            stats = up.stats()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    objects = [gzip.decompress(body).decode() for body in store.objects.values()]
    infos = [repr(info) for info in store.infos.values()]
    haystack = "\n".join([*objects, *infos, *spooled, *said, log.getvalue(), repr(stats)])
    found = [word for word in words if word in haystack or word.encode() in raw]
    note("secrets", secrets=secrets, found=len(found), objects=len(objects), failed=stats.failed, spooled=stats.spooled)
    assert found == []
    assert stats.failed > 0
    assert len(spooled) > secrets // 2
    assert len(objects) > secrets // 2


def _on_disk(folder: Path) -> tuple[bytes, list[str]]:
    """Every byte of every file, and what the captures among them say once they are decompressed."""
    raw, said = [], []
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # tried and set aside meanwhile
            raw.append(path.read_bytes())
            if path.suffix == ".capture":
                with SpooledFile(path) as file:
                    said.append(gzip.decompress(b"".join(file.chunks())).decode() + repr(file.header))
    return b"\n".join(raw), said
