"""What is read can be written and measured: the three agree on the same capture."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench.shape.capture import Shape, shape
from packhorse.bench.shape.entry import canonical, measure_entry, measure_tree
from packhorse.captures import load, open_capture, write_har
from packhorse.captures.write import json_pieces
from packhorse.errors import CaptureError
from packhorse.model import EntryStream, har_stream

from .conftest import flavours, har, har_entry

Save = Callable[[bytes], Path]


@pytest.mark.parametrize("program", flavours())
def test_written_captures_read_back(program: str, save: Save, tmp_path: Path) -> None:
    text = flavours()[program]
    target = tmp_path / "out.har"
    with open_capture(save(text)) as opened:
        written = write_har(opened.stream, target)
    assert target.stat().st_size == written
    assert load(target) == json.loads(text.decode("utf-8-sig"))
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out.har"]


@pytest.mark.parametrize(
    "capture",
    [
        {"a": 1},
        [],
        {"log": {"entries": []}},
        EntryStream([], (), [1, None, "x"]),
        EntryStream({"a": {"": []}, "z": None}, ("a", ""), iter([{"n": 1 << 70}, {"s": "\ud800"}, None])),
        EntryStream({"only": []}, ("only",), []),
        har_stream([har_entry(0), har_entry(1)]),
    ],
)
def test_pieces_are_the_capture(capture: Any) -> None:
    if isinstance(capture, EntryStream):
        entries = list(capture.entries)
        whole = EntryStream(capture.outline, capture.path, entries).materialize()
        capture = EntryStream(capture.outline, capture.path, entries)
    else:
        whole = capture
    assert json.loads(b"".join(json_pieces(capture))) == whole


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (float("nan"), "JSON-able"),
        ({"a": [None, float("inf")]}, "JSON-able"),
        ({1: "a"}, "key that is not text"),
        ({"s": "\ud800", 1: "a"}, "key that is not text"),
        ({"a": {1, 2}}, "JSON-able"),
    ],
)
def test_a_failed_write_leaves_nothing_behind(bad: Any, reason: str, tmp_path: Path) -> None:
    target = tmp_path / "out.har"
    target.write_bytes(b"before")
    with pytest.raises(CaptureError, match=reason) as caught:
        write_har(har_stream([har_entry(), bad]), target)
    assert caught.value.position == "entry 1"
    assert [path.name for path in tmp_path.iterdir()] == ["out.har"]
    assert target.read_bytes() == b"before"


def test_a_cycle_is_an_error(tmp_path: Path) -> None:
    entry = har_entry()
    entry["self"] = entry
    with pytest.raises(CaptureError, match="entry 0"):
        write_har(har_stream([entry]), tmp_path / "out.har")
    with pytest.raises(CaptureError, match="entry 0"):
        shape(har_stream([entry]))


def test_a_failing_reader_leaves_nothing_behind(tmp_path: Path) -> None:
    def entries() -> Iterator[Any]:
        yield har_entry()
        raise CaptureError("ends early", source="input.har")

    with pytest.raises(CaptureError, match=r"input\.har"):
        write_har(har_stream(entries()), tmp_path / "out.har")
    assert not list(tmp_path.iterdir())


def test_writing_keeps_the_mode_and_names_what_it_cannot_write(tmp_path: Path) -> None:
    target = tmp_path / "out.har"
    target.touch(0o600)
    write_har(har(), target)
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CaptureError, match="cannot be written"):
        write_har(har(), tmp_path / "missing" / "out.har")
    with pytest.raises(CaptureError, match="not a file's name"):
        write_har(har(), "/")


@pytest.mark.parametrize("program", flavours())
def test_shape_is_that_of_the_compact_text(program: str, save: Save) -> None:
    text = flavours()[program]
    whole = json.loads(text.decode("utf-8-sig"))
    compact = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    with open_capture(save(text)) as opened:
        measured = shape(opened.stream, file_bytes=len(text))
    entries = [len(canonical(entry)[0]) for entry in whole["log"]["entries"]]
    assert measured.compact_bytes == len(compact.encode())
    assert measured.sha256_hex == hashlib.sha256(compact.encode()).hexdigest()
    assert measured.raw_over_compact == len(text) / len(compact.encode())
    assert measured.largest_entry_bytes == max(entries)
    assert measured.top1_entry_share == max(entries) / sum(entries)
    assert measured.nonascii_char_share == sum(char > "\x7f" for char in compact) / len(compact)
    assert measured.hosts == 3
    assert measured.depth == measure_tree(whole).depth == 8
    assert measured.nodes_per_kb == 1000 * measure_tree(whole).nodes / len(compact.encode())
    assert shape(whole).sha256_hex == measured.sha256_hex


def test_shares_by_hand() -> None:
    """Worked out with a ruler: bodies ``aa\\n`` twice and four characters of base64."""
    entries: list[dict[str, Any]] = [
        {"request": {"url": "http://a:1/", "cookies": []}, "response": {"content": {"text": "aa\n"}}},
        {
            "request": {"url": "http://b/", "headers": [{"name": "x", "value": "é"}]},
            "response": {"content": {"text": "aa\n"}},
        },
        {"request": None, "response": {"content": {"text": "QUJD", "encoding": "base64"}, "cookies": "a=b"}},
        {"request": {"url": "http://[bad", "headers": {}, "cookies": [{}]}},
    ]
    measured = shape(entries)
    total = len(json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode())
    assert measured.entries == 4
    assert measured.compact_bytes == total
    assert measured.body_share == (6 + 6 + 6) / total
    assert measured.body_entry_share == 0.75
    assert measured.b64_share_of_body == 4 / 10
    assert measured.dup_body_share == 3 / 10
    assert measured.header_share == len('[{"name":"x","value":"é"}]'.encode()) / total
    assert measured.cookie_share == (2 + 4) / total
    assert measured.escape_share == 4 / total
    assert measured.nonascii_char_share == 1 / (total - 1)
    assert measured.hosts == 2
    assert measured.longest_url_chars == len("http://[bad")
    assert measured.longest_string_chars == len("http://a:1/")
    assert measured.depth == 6


def test_escapes_are_counted_once_each() -> None:
    entry = measure_entry({"a": '\\n"\x1f\x7f\\u0041'})
    assert entry.text == b'{"a":"\\\\n\\"\\u001f\x7f\\\\u0041"}'
    assert entry.escape_bytes == 2 + 2 + 6 + 2


def test_lone_surrogates_have_a_shape() -> None:
    assert shape([{"a": "\ud800"}]).compact_bytes == len('[{"a":"\\ud800"}]')


def test_ratios_are_asked_for() -> None:
    capture = har(50)
    assert shape(capture).gzip6 is None
    measured = shape(capture, with_ratios=True)
    compact = json.dumps(capture, separators=(",", ":"), ensure_ascii=False).encode()
    assert measured.gzip6 == pytest.approx(len(compact) / len(gzip.compress(compact, 6)), rel=0.02)
    assert measured.zstd3 is not None
    assert measured.zstd3 > 1
    assert "gzip6" not in shape(capture).as_dict()
    assert json.loads(json.dumps(measured.as_dict())) == measured.as_dict()


def test_an_empty_capture_has_a_shape() -> None:
    measured = shape([])
    assert isinstance(measured, Shape)
    assert (measured.entries, measured.compact_bytes, measured.depth) == (0, 2, 1)
    assert measured.top1_entry_share == measured.body_share == 0.0
