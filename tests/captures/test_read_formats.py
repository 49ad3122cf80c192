"""What people have is read, under the name of its format, as ``json.loads`` would read it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

import packhorse.captures
from packhorse.captures import ReadLimits, iter_entries, load, load_stream, open_capture
from packhorse.captures.readers import entries as entries_module
from packhorse.errors import CaptureError, ExpansionLimitError, UnavailableError

from .conftest import flavours, har

Save = Callable[[bytes], Path]
PROTOCOL_LOG = [
    {"id": 1, "result": {}},
    {"method": "Network.requestWillBeSent", "params": {"requestId": "1", "request": {"url": "https://a.example/"}}},
    {"method": "Network.loadingFinished", "params": {"requestId": "1"}},
]
WEBDRIVER_LOG = [
    {"level": "INFO", "message": '{"message":{"method":"Network.dataReceived","params":{}}}', "timestamp": 1}
]


def json_of(text: bytes) -> Any:
    return json.loads(text.decode("utf-8-sig"))


@pytest.mark.parametrize("program", flavours())
def test_every_flavour_of_har(program: str, save: Save) -> None:
    text = flavours()[program]
    with open_capture(save(text)) as opened:
        assert opened.stream.path == ("log", "entries")
        assert opened.stream.outline["log"]["entries"] == []
        assert opened.stream.materialize() == json_of(text)
        assert opened.format == ("har-1.1" if program in ("Firefox", "WebPagetest") else "har")
        assert opened.creator == f"{json_of(text)['log']['creator']['name']} 537.36"
        notes = " ".join(opened.notes)
        assert ("byte-order mark" in notes) == (program == "Fiddler")
        assert ("cookies that are not a list (entry 1)" in notes) == (program == "Charles")


def test_keys_after_the_entries_are_in_the_outline_before_an_entry_is_read(save: Save) -> None:
    text = b'{"log":{"entries":[{"a":1},{"a":2}],"version":"1.2","pages":[1,2]},"after":{"x":[]}}'
    with open_capture(save(text)) as opened:
        expected = {"log": {"entries": [], "version": "1.2", "pages": [1, 2]}, "after": {"x": []}}
        assert opened.stream.outline == expected
        assert list(opened.stream.entries) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("capture", "name", "path"),
    [
        ([{"a": 1}, 2, None, "x", []], "json", ()),
        ([], "json", ()),
        ({"few": [1, 2], "deep": {"many": [{"n": 1}, {"n": 2}, {"n": 3}]}}, "json", ("deep", "many")),
        ({"log": [{"line": 1}]}, "json", ("log",)),
        (PROTOCOL_LOG, "devtools-log", ()),
        (WEBDRIVER_LOG, "devtools-log", ()),
        ({"constants": {"v": 1}, "events": [{"type": 1, "params": {}}] * 3}, "netlog", ("events",)),
        ({"http_interactions": [{"request": {}}], "recorded_with": "VCR 6.1.0"}, "cassette", ("http_interactions",)),
        ({"interactions": [{"request": {}}], "version": 1}, "cassette", ("interactions",)),
        (har(creator="Polly.JS"), "har", ("log", "entries")),
        (har(0), "har", ("log", "entries")),
    ],
)
def test_formats_by_content(capture: Any, name: str, path: tuple[str, ...], save: Save) -> None:
    file = save(json.dumps(capture).encode())
    with open_capture(file) as opened:
        assert (opened.format, opened.stream.path) == (name, path)
        assert opened.stream.materialize() == capture
    assert load(file) == capture
    with load_stream(file) as stream:
        assert stream.materialize() == capture


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_ndjson(end: bytes, last: bool, save: Save) -> None:
    lines = [json.dumps(value).encode() for value in (*PROTOCOL_LOG, {"n": [1]}, 5, "text", None, [1])]
    file = save(end.join(lines) + (end if last else b""))
    with open_capture(file) as opened:
        assert opened.format == "devtools-log"
        assert opened.stream.path == ()
        assert list(opened.stream.entries) == [json.loads(line) for line in lines]
        assert opened.notes == ("has entries that are not objects (4 times, first at entry 4)",)


def test_blank_lines_in_ndjson_are_noted(save: Save) -> None:
    with open_capture(save(b'{"a":1}\n\n{"a":2}\n')) as opened:
        assert opened.format == "ndjson"
        assert list(opened.stream.entries) == [{"a": 1}, {"a": 2}]
        assert opened.notes == ("has blank lines, which are left out (byte 8)",)


def test_one_object_alone_is_not_taken_for_ndjson(save: Save) -> None:
    assert load(save(b'{"a":[1]}\n')) == {"a": [1]}


PLAIN = json.dumps(har(40)).encode()
SQUEEZED = {
    ("gzip",): gzip.compress(PLAIN),
    ("zstd",): zstandard.ZstdCompressor(level=3).compress(PLAIN),
    ("brotli",): brotli.compress(PLAIN, quality=5),
    ("gzip", "gzip"): gzip.compress(gzip.compress(PLAIN)),
    ("zstd", "brotli"): zstandard.ZstdCompressor().compress(brotli.compress(PLAIN)),
}


@pytest.mark.parametrize("layers", SQUEEZED)
def test_compressed_captures(layers: tuple[str, ...], save: Save) -> None:
    with open_capture(save(SQUEEZED[layers])) as opened:
        assert opened.compression == layers
        assert opened.stream.materialize() == json.loads(PLAIN)


def test_several_gzip_members_and_zstd_frames(save: Save) -> None:
    halves = PLAIN[:1000], PLAIN[1000:]
    assert load(save(b"".join(gzip.compress(half) for half in halves) + b"\0" * 512)) == json.loads(PLAIN)
    compress = zstandard.ZstdCompressor().compress
    assert load(save(b"".join(compress(half) for half in halves))) == json.loads(PLAIN)


@pytest.mark.parametrize("layers", [("gzip",), ("zstd",), ("brotli",)])
@pytest.mark.parametrize("limit", [1000, len(PLAIN) - 1])
def test_expansion_has_a_limit(layers: tuple[str, ...], limit: int, save: Save) -> None:
    with pytest.raises(ExpansionLimitError, match="max_expanded_bytes"):
        load(save(SQUEEZED[layers]), limits=ReadLimits(max_expanded_bytes=limit))


def test_bombs_do_not_fill_memory(save: Save) -> None:
    limits = ReadLimits(max_expanded_bytes=1 << 20)
    zeros = b"[" + b" " * (64 << 20)
    for bomb in (
        gzip.compress(zeros),
        zstandard.ZstdCompressor(level=1).compress(zeros),
        brotli.compress(zeros, quality=1),
    ):
        with pytest.raises(ExpansionLimitError):
            load(save(bomb), limits=limits)


def test_three_layers_are_refused(save: Save) -> None:
    with pytest.raises(CaptureError, match="more than 2 times"):
        open_capture(save(gzip.compress(gzip.compress(gzip.compress(PLAIN)))))


@pytest.mark.parametrize("layers", [("gzip",), ("zstd",), ("brotli",)])
def test_cut_compressed_captures(layers: tuple[str, ...], save: Save) -> None:
    data = SQUEEZED[layers]
    for keep in (1, 3, 5, 20, len(data) // 2, len(data) - 3, len(data) - 1):
        with pytest.raises((CaptureError, ExpansionLimitError)):
            load(save(data[:keep]))


@pytest.mark.parametrize("layers", [("gzip",), ("zstd",)])
def test_damaged_compressed_captures(layers: tuple[str, ...], save: Save) -> None:
    data = bytearray(SQUEEZED[layers])
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(CaptureError, match="byte"):
        load(save(bytes(data)))


def test_binary_that_could_be_brotli_says_what_is_missing(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    monkeypatch.delitem(sys.modules, "packhorse.captures.readers.inflate_brotli", raising=False)
    monkeypatch.delattr("packhorse.captures.readers.inflate_brotli", raising=False)
    with pytest.raises(UnavailableError, match=r"packhorse\[captures\]"):
        open_capture(save(SQUEEZED[("brotli",)]))


def test_other_compressions_are_named_as_binary(save: Save) -> None:
    with pytest.raises(CaptureError, match="binary data"):
        open_capture(save(bz2.compress(PLAIN)))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_wide_encodings_are_read_and_noted(encoding: str, save: Save) -> None:
    with open_capture(save(PLAIN.decode().encode(encoding))) as opened:
        assert opened.stream.materialize() == json.loads(PLAIN)
        assert "UTF-" in opened.notes[0]


def test_open_files_and_pipes(save: Save) -> None:
    file = io.BytesIO(b"ignored" + PLAIN)
    file.seek(7)
    assert load(file) == json.loads(PLAIN)
    assert not file.closed
    read, write = os.pipe()

    def feed() -> None:
        with os.fdopen(write, "wb") as sink:
            sink.write(PLAIN)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with os.fdopen(read, "rb") as pipe:
        assert load(pipe) == json.loads(PLAIN)
    feeder.join()
    with save(PLAIN).open() as text, pytest.raises(CaptureError, match="binary mode"):
        load(text)  # type: ignore[arg-type]


def test_entries_alone_close_their_file(save: Save) -> None:
    entries = iter_entries(save(PLAIN))
    assert next(entries) == json.loads(PLAIN)["log"]["entries"][0]
    entries.close()  # type: ignore[attr-defined]
    assert len(list(iter_entries(save(PLAIN)))) == 40


def test_reading_without_ijson(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries_module, "_ijson_items", lambda: None)
    for text in flavours().values():
        assert load(save(text)) == json_of(text)


def test_public_names() -> None:
    for name in packhorse.captures.__all__:
        assert getattr(packhorse.captures, name)
    with pytest.raises(AttributeError):
        packhorse.captures.nothing  # noqa: B018


def test_importing_captures_imports_no_parser() -> None:
    parsers = ("ijson", "orjson", "zstandard", "brotli")
    code = f"import sys, packhorse.captures; print(*[name for name in {parsers} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
