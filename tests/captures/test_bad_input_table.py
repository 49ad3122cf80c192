"""The table of bad input in docs/captures.md, case by case: as a file, as JSON text in memory, and as an object.

Every case ends in a clear error, or is carried in the documented way and comes back so from what was stored.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench.lab.targets import Target, start_target
from packhorse.captures import ReadLimits, load, open_capture
from packhorse.cli import run
from packhorse.errors import CaptureError, QueueFull, UploadFailed
from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options

from .conftest import har, har_entry

pytestmark = pytest.mark.xdist_group("bad-input")  # one S3 server for all

PLAIN = json.dumps(har(3), ensure_ascii=False)
LOST = "not set"
CUT, WIDE = PLAIN.encode()[:-40], PLAIN.encode("utf-16")
LATIN = PLAIN.encode("latin-1", "replace")
#: What a HAR has before its first entry.
OPENING = '{"log":{"version":"1.2","creator":{"name":"x","version":"1"},"entries":['
ODD_ENTRIES = [None, 1, "x", [1], {"request": 5}]
COOKIES = {"request": {"cookies": "a=1; session=hunter2"}, "response": {"cookies": "b=hunter2"}}


@dataclass(frozen=True)
class Case:
    """A bad capture as text, and what becomes of it.

    Attributes:
        text: The file's bytes.
        fault: Part of the reason for which the file is refused; None when it is carried.
        position: Where the reader says it is.
        carried: What is read and stored, when it is carried.
        note: Part of what the reader notes about it.
        as_bytes: Part of the reason for which the same bytes are refused by ``submit``, where that differs.
    """

    text: bytes
    fault: str | None = None
    position: str | None = None
    carried: Any = LOST
    note: str | None = None
    as_bytes: str | None = None


CASES = {
    "truncated": Case(CUT, "is truncated after entry 1", f"byte {len(CUT)}", as_bytes="not valid"),
    "latin-1": Case(
        LATIN, "is not UTF-8", f"entry 0, byte {LATIN.index(0xE9)}", as_bytes=f"not UTF-8 at byte {LATIN.index(0xE9)}"
    ),
    "utf-16": Case(WIDE, carried=json.loads(PLAIN), note="UTF-16", as_bytes="not UTF-8 at byte 0"),
    "utf-16, cut": Case(WIDE[:-1], "is not UTF-16", f"byte {len(WIDE) - 2}", as_bytes="not UTF-8 at byte 0"),
    "byte-order mark": Case(
        b"\xef\xbb\xbf" + PLAIN.encode(), carried=json.loads(PLAIN), note="byte-order mark", as_bytes="BOM"
    ),
    "lone surrogate": Case(b'[{"a":"\\ud800"}]', carried=[{"a": "\ud800"}], note="lone surrogates"),
    "NaN": Case(b'[{"a":1},{"a":NaN}]', "holds NaN", "entry 1, byte 14", as_bytes="NaN is not JSON"),
    "duplicate keys": Case(b'[{"a":1,"a":2}]', carried=[{"a": 2}], note="duplicate keys"),
    "100,000 deep": Case(
        (OPENING + "[" * 100_000 + "1" + "]" * 100_000 + "]}}").encode(),
        "nested more than 512 deep", f"byte {len(OPENING) + 512 - 3}", as_bytes="nested too deeply",
    ),
    "entries that are no objects": Case(
        (OPENING + json.dumps(ODD_ENTRIES)[1:] + "}}").encode(),
        carried=json.loads(OPENING + json.dumps(ODD_ENTRIES)[1:] + "}}"), note="not objects",
    ),
    "cookies as a string": Case(json.dumps([COOKIES]).encode(), carried=[COOKIES]),
}  # fmt: skip
REFUSED = [name for name, case in CASES.items() if case.fault]
CARRIED = [name for name in CASES if name not in REFUSED]


def uploaded(capture: Any, *, redact: bool = False, budget: int = 256 * 2**20) -> Any:
    """What comes back of a capture that went through the uploader: parsed from the bytes that were stored."""
    store = FakeStore()
    url = "s3://bucket/p"
    with Uploader(url, profile=PROFILE, redact=redact, memory_budget_bytes=budget, options=options(store)) as uploader:
        ticket = uploader.submit(capture)
        ticket.result(60)
    return json.loads(gzip.decompress(store.objects[ticket.key]))


@pytest.mark.parametrize("name", REFUSED)
def test_refused_files_name_file_and_place(name: str, save: Callable[[bytes], Path]) -> None:
    case = CASES[name]
    path = save(case.text)
    with pytest.raises(CaptureError) as caught, open_capture(path) as opened:
        opened.stream.materialize()
    assert case.fault
    assert case.fault in caught.value.reason
    assert caught.value.position == case.position
    assert str(path) in str(caught.value)
    assert str(case.position) in str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("redact", [True, False])
def test_refused_files_are_not_uploaded(name: str, redact: bool, save: Callable[[bytes], Path]) -> None:
    case = CASES[name]
    with pytest.raises(UploadFailed, match=f"failed: .*{case.fault}"):
        uploaded(save(case.text), redact=redact)


def test_the_command_line_names_the_refused_files(
    save: Callable[[bytes], Path], capsys: pytest.CaptureFixture[str], target: Target
) -> None:
    files = {name: str(save(CASES[name].text)) for name in REFUSED}
    assert run(["upload", *files.values(), f"s3://{target.endpoint.bucket}/x", "--endpoint-url", url(target)]) == 2
    captured = capsys.readouterr()
    for name, file in files.items():
        (line,) = [line for line in captured.err.splitlines() if file in line]
        assert CASES[name].fault
        assert str(CASES[name].fault) in line
    assert captured.out == ""


@pytest.mark.parametrize("name", CARRIED)
def test_carried_files_are_read_and_noted(name: str, save: Callable[[bytes], Path]) -> None:
    case = CASES[name]
    with open_capture(save(case.text)) as opened:
        assert opened.stream.materialize() == case.carried
        assert any(case.note in note for note in opened.notes) if case.note else not opened.notes


@pytest.mark.parametrize("name", CARRIED)
def test_carried_files_come_back_from_s3(
    name: str, save: Callable[[bytes], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], target: Target
) -> None:
    case, back = CASES[name], tmp_path / "back.json"
    where = ["--endpoint-url", url(target)]
    file = str(save(case.text))
    assert run(["upload", "--no-redact", file, f"s3://{target.endpoint.bucket}/x", *where]) == 0
    assert run(["fetch", capsys.readouterr().out.strip(), "-o", str(back), *where]) == 0
    assert json.loads(back.read_bytes()) == case.carried


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("redact", [True, False])
def test_the_same_bytes_in_memory(name: str, redact: bool) -> None:
    """Text in memory is JSON in UTF-8 and nothing else: what the readers recode is refused here."""
    case = CASES[name]
    if case.as_bytes:
        with pytest.raises(UploadFailed, match=f"failed: capture: submitted bytes: not JSON text: .*{case.as_bytes}"):
            uploaded(case.text, redact=redact)
    elif not (redact and name == "cookies as a string"):
        assert uploaded(case.text, redact=redact) == case.carried


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("entry", "stored"),
    [
        ({"a": "\ud800"}, {"a": "\ud800"}),
        ({"a": float("nan"), "b": [float("inf"), -float("inf")]}, {"a": None, "b": [None, None]}),
        ({1: 2, None: 3}, {"1": 2, "null": 3}),
        ({"n": 10**30}, {"n": 10**30}),
        ({"t": (1, 2)}, {"t": [1, 2]}),
        *[(entry, entry) for entry in ODD_ENTRIES],
        (COOKIES, COOKIES),
    ],
)
def test_objects_that_are_carried(entry: Any, stored: Any) -> None:
    assert uploaded({"log": {"entries": [har_entry(), entry]}})["log"]["entries"] == [har_entry(), stored]
    if isinstance(entry, str):  # as of a file's lines: what belongs together in them redaction could not see
        with pytest.raises(UploadFailed, match="gave text"):
            uploaded(iter([har_entry(), entry]))
    else:
        assert uploaded(iter([har_entry(), entry]))["log"]["entries"] == [har_entry(), stored]


@pytest.mark.parametrize("redact", [True, False])
@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"a": nested(100_000)}, "nested too deep"),
        ({"a": {1, 2}}, "type set|set is not|set"),
        ({"a": b"hunter2"}, "bytes"),
    ],
)
def test_objects_that_are_refused(entry: Any, reason: str, redact: bool) -> None:
    for capture in ({"log": {"entries": [har_entry(), entry]}}, iter([har_entry(), entry])):
        with pytest.raises(UploadFailed, match=f"failed: .*({reason})") as caught:
            uploaded(capture, redact=redact)
        assert "hunter2" not in str(caught.value)


def test_the_entry_that_an_iterator_fails_at_is_an_error() -> None:
    def entries() -> Iterator[Any]:
        yield har_entry()
        raise OSError("hunter2")

    with pytest.raises(UploadFailed, match="OSError was raised while it was being read") as caught:
        uploaded(entries())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("form", ["file", "bytes", "object"])
def test_cookies_as_a_string_are_redacted(form: str, save: Callable[[bytes], Path]) -> None:
    text = json.dumps([COOKIES]).encode()
    capture: Any = save(text) if form == "file" else text if form == "bytes" else [COOKIES]
    (entry,) = uploaded(capture, redact=True)
    assert entry["request"]["cookies"].startswith("[redacted:")
    assert "hunter2" not in json.dumps(entry)


def test_a_string_of_1_gib_is_refused_as_a_file(tmp_path: Path) -> None:
    """Sparse on disk; reading stops at the limit of a string, and the same limit can be lowered."""
    path = tmp_path / "huge.har"
    with path.open("wb") as file:
        file.write(OPENING.encode() + b'{"a":"')
        file.truncate(1 << 30)
    with pytest.raises(UploadFailed, match="a string is longer than 268 MB"):
        uploaded(path)
    with pytest.raises(CaptureError, match=r"huge\.har, .*byte \d+: a string is longer than 1 MB"):
        load(path, limits=ReadLimits(max_string_bytes=1_000_000))


def test_a_string_beyond_the_memory_budget_is_refused_as_an_object() -> None:
    entry = har_entry()
    entry["response"]["content"]["text"] = "x" * 2**22
    with pytest.raises(QueueFull, match="larger than the memory budget"):
        uploaded({"log": {"entries": [entry]}}, budget=2**20)
    assert uploaded({"log": {"entries": [entry]}}) == {"log": {"entries": [entry]}}


@pytest.fixture(scope="module")
def running() -> Iterator[Target]:
    with start_target("moto") as target:
        yield target


@pytest.fixture
def target(running: Target, monkeypatch: pytest.MonkeyPatch) -> Target:
    """The standard AWS environment, as a user has it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", running.endpoint.access_key or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", running.endpoint.secret_key or "")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    return running


def url(target: Target) -> str:
    return target.endpoint.url or ""
