"""What is wrong with a capture is said, with its byte or entry; what is merely odd is carried and noted."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packhorse.captures import ReadLimits, load, open_capture
from packhorse.captures.readers import entries as entries_module
from packhorse.errors import CaptureError, InputError

from .conftest import har, har_entry

Save = Callable[[bytes], Path]
HAR = json.dumps(har(5)).encode()


def same(one: Any, other: Any) -> bool:
    """Equal, and NaN equal to itself."""
    return repr(one) == repr(other)


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        (b"", "byte 0", "is empty"),
        (b" \n\t ", "byte 4", "white space"),
        (b"\xef\xbb\xbf", "byte 3", "white space"),
        (b"<!DOCTYPE html><html></html>", "byte 0", "HTML"),
        (b"\n\n<html>", "byte 2", "HTML"),
        (b"---\ninteractions: []\n", "byte 0", "YAML"),
        (b"GET / HTTP/1.1\r\n\r\n", "byte 0", "is not JSON"),
        (b"42", "byte 0", "single value"),
        (b'"text"', "byte 0", "single value"),
        (b"null", "byte 0", "single value"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "byte 0", "binary"),
        (b'{"a":1}', None, "no list"),
        (b"{}", None, "no list"),
        (b"[1,2", "byte 4", "truncated before the end of entry 0: 1 brackets"),
        (b'[{"a":1},{"b":[2', "byte 16", "truncated after entry 0"),
        (b'{"a":1}\n{"b":', "byte 13", "truncated after entry 0"),
        (b'[{"a":1}] x', "byte 10", "goes on after the end"),
        (b'[{"a":1}][2]', "byte 9", "goes on after the end"),
        (b'{"a":[1}', "byte 7", "unexpected }"),
        (b"[1]]", "byte 3", "unexpected ]"),
        (b'["a":1]', "byte 1", "outside of any object"),
        # Python 3.13 points at the comma, earlier ones behind it.
        (b'{"a":[1],}', "byte 8" if sys.version_info >= (3, 13) else "byte 9", "is not JSON here"),
        (b'{"a":[1 2]}', "entry 0, byte 8", "is not JSON here"),
        (b'[1,{"a" 5}]', "entry 1, byte 8", "is not JSON here"),
        (b"[1,,2]", "entry 1, byte 3", "is not JSON here"),
        (b"[1,]", "entry 1, byte 3", "is not JSON here"),
        (b"[01]", "entry 0, byte 2", "is not JSON here"),
        (b"[1]\n[2]\n{3}", "entry 2, byte 9", "is not JSON here"),
        (b'[{"a":"\xe9"}]', "entry 0, byte 7", "is not UTF-8"),
        (b'[{"a":"\xed\xa0\x80"}]', "entry 0, byte 7", "is not UTF-8"),
        (b'{"\xe9":[1]}', "byte 7", "key before this list"),
        (b'{"\xe9":1,"a":[1]}', "byte 2", "is not UTF-8"),
        (b'{"list":[1,2,3],"b":tru}', "byte 20", "is not JSON here"),
        ('[{"é":1},{"é":"ü" 5}]'.encode(), "entry 1, byte 21", "is not JSON here"),
        (b'["a\nb"]', "entry 0, byte 3", "is not JSON here"),
        (b"[1,\x0b2]", "entry 1, byte 3", "is not JSON here"),
        (b"[1,2]\x0c", "byte 5", "goes on after the end"),
        (b'["\\x41"]', "entry 0, byte 2", "is not JSON here"),
        (b'[{"a":1},{"b":[1,-Infinity]}]', "entry 1, byte 18", "Infinity"),
        (b'{"n":NaN,"l":[1]}', "byte 5", "NaN"),
        (b'["NaN",NaN]', "entry 1, byte 7", "NaN"),
        (b"[1" + b"0" * 5000 + b"]", "entry 0, byte 1", "digits"),
        (b'{"log":{"version":"1.2","creator":{}}}', None, "log.entries is missing"),
        (b'{"log":{"version":"1.2","pages":[1,2]}}', None, "log.entries is missing"),
        (b'{"log":{"version":"1.2","entries":{}}}', None, "log.entries is not a list"),
        (b'{"log":{"entries":[1]},"log":{"entries":null}}', None, "log.entries is not a list"),
    ],
)
def test_faults_are_named(text: bytes, position: str | None, reason: str, save: Save) -> None:
    path = save(text)
    with pytest.raises(CaptureError) as caught:
        load(path)
    assert caught.value.source == str(path)
    assert caught.value.position == position
    assert reason in caught.value.reason
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("[1,2]".encode("utf-16-le")[:-1] + b"\xd8", "byte 8"),
        (b"\xff\xfe" + '["a'.encode("utf-16-le") + b"\x00\xdc" + '"]'.encode("utf-16-le"), "byte 8"),
    ],
)
def test_broken_wide_encodings_are_named(text: bytes, position: str, save: Save) -> None:
    with pytest.raises(CaptureError, match="UTF-16") as caught:
        load(save(text))
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (b'[{"a":"\\ud800"}]', "lone surrogates"),
        (b'[{"a":"\\udc00 \\ud83d\\ude00"}]', "lone surrogates"),
        (b'["\\ud800\\u0041"]', "lone surrogates"),
        (b'["\\\\ud83d\\ude00"]', "lone surrogates"),
        (b'["\\ud83d\\ude00", "\\\\ud800"]', None),
        (b'{"\\ud800":1,"l":[1]}', "lone surrogates"),
        (b"[123456789012345678901234567890]", None),
        (b"[-0, -0.0, 1E5, 1e-400, 0.1]", None),
        (b'[{"a":1e400},{"a":-1e999}]', "too large for a double"),
        (b'[{"a":1,"a":2}]', "duplicate keys"),
        (b'{"l":[1],"l":[2,3]}', "duplicate keys"),
        (b'{"l":[1,2,3],"l":5,"m":[1]}', "duplicate keys"),
        (b'{"log":{"entries":[1]},"log":{"entries":[2]}}', "duplicate keys"),
        (b'{"a":{"b":[1,2,3]},"a":{"b":{}},"c":[]}', "duplicate keys"),
        (b'{"a.b":{"c.item":[{"x":[1]}]}}', None),
        (b'{"":[1]}', None),
        (b"[ ]", None),
        (b'{"log":{"entries":[null,1,"x",{"request":5}]}}', "not objects"),
    ],
)
def test_oddities_are_carried_and_noted(text: bytes, note: str | None, save: Save) -> None:
    with open_capture(save(text)) as opened:
        assert same(opened.stream.materialize(), json.loads(text))
        notes = [line for line in opened.notes if note and note in line]
        assert len(notes) == (note is not None)


@pytest.mark.parametrize("text", [b'[NaN,{"a":[-Infinity]}]', b'{"n":Infinity,"l":[1e400,NaN]}', b"[1]\n[NaN]"])
def test_nan_can_be_let_in(text: bytes, save: Save) -> None:
    got = load(save(text), limits=ReadLimits(allow_nan=True))
    wanted = [json.loads(line) for line in text.split(b"\n")]
    assert same(got, wanted if len(wanted) > 1 else wanted[0])


def test_the_exact_parser_goes_on_where_ijson_stops(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    """ijson refuses an integer beyond 64 bits; entries before it are not handed on twice."""
    values = [{"n": index if index != 700 else 1 << 80} for index in range(1500)]
    assert load(save(json.dumps(values).encode())) == values
    monkeypatch.setattr(entries_module, "_ijson_items", lambda: None)
    assert load(save(json.dumps(values).encode())) == values


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting_is_an_error_and_no_crash(opening: bytes, closed: bool, save: Save) -> None:
    closing = opening[::-1].translate(bytes.maketrans(b"[{", b"]}"), b'":a') if closed else b""
    text = b'{"log":{"entries":[' + opening * 100_000 + b"1" + closing * 100_000 + (b"]}}" if closed else b"")
    with pytest.raises(CaptureError, match="nested more than 512 deep") as caught:
        load(save(text))
    assert caught.value.position is not None


def test_nesting_up_to_the_limit_is_read(save: Save) -> None:
    text = b"[" * 300 + b"]" * 300
    assert load(save(text), limits=ReadLimits(max_depth=300)) == json.loads(text)
    with pytest.raises(CaptureError, match="more than 299 deep"):
        load(save(text), limits=ReadLimits(max_depth=299))


def test_limits_that_cannot_be_kept_are_refused() -> None:
    with pytest.raises(InputError, match="max_depth"):
        ReadLimits(max_depth=100_000)
    with pytest.raises(InputError, match="max_string_bytes 0"):
        ReadLimits(max_string_bytes=0)


def test_depth_beyond_pythons_recursion_limit(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"[" * 1000 + b"]" * 1000
    value: Any = load(save(text), limits=ReadLimits(max_depth=1000))
    for _ in range(999):
        (value,) = value
    assert value == []
    monkeypatch.setattr(entries_module, "_ijson_items", lambda: None)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(600)
    try:
        if sys.version_info >= (3, 12):  # its C code has a limit of its own, which max_depth keeps away from
            value = load(save(text), limits=ReadLimits(max_depth=1000))
            for _ in range(999):
                (value,) = value
            assert value == []
            return
        with pytest.raises(CaptureError, match="recursion limit"):
            load(save(text), limits=ReadLimits(max_depth=1000))
    finally:
        sys.setrecursionlimit(limit)


def test_sizes_have_limits(save: Save) -> None:
    text = json.dumps([{"a": "x" * 3_000_000}, {"b": [1] * 400_000}]).encode()
    assert load(save(text)) == json.loads(text)
    with pytest.raises(CaptureError, match="a string is longer"):
        load(save(text), limits=ReadLimits(max_string_bytes=1_000_000))
    with pytest.raises(CaptureError, match="an entry is longer"):
        load(save(text), limits=ReadLimits(max_entry_bytes=1_100_000))
    outline = b'{"big":"' + b"x" * 10_000 + b'","l":[1]}'
    with pytest.raises(CaptureError, match="outside of its longest list"):
        load(save(outline), limits=ReadLimits(max_entry_bytes=5_000))
    with pytest.raises(CaptureError, match="a number is longer"):
        load(save(b"[" + b"1" * 2_000_000 + b"]"))


def test_a_huge_string_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    """A gibibyte (sparse on disk, so of NULs) within one string, read in a process that could not hold it."""
    path = tmp_path / "huge.har"
    with path.open("wb") as file:
        file.write(b'{"log":{"entries":[{"a":"')
        file.truncate(1 << 30)
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (800 << 20, 800 << 20))\n"
        "from packhorse.captures import load\n"
        "from packhorse.errors import CaptureError\n"
        "try:\n    load(sys.argv[1])\nexcept CaptureError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert "a string is longer than 268 MB" in done.stdout, done.stderr


def test_files_that_cannot_be_opened(tmp_path: Path, save: Save) -> None:
    with pytest.raises(CaptureError, match=r"nowhere\.har: cannot be opened: no such file"):
        load(tmp_path / "nowhere.har")
    with pytest.raises(CaptureError, match="is a directory"):
        load(tmp_path)
    with pytest.raises(CaptureError, match="cannot be opened"):
        load("bad\0name")
    closed = save(HAR).open("rb")
    closed.close()
    with pytest.raises(CaptureError, match="cannot be read"):
        load(closed)


def test_a_file_without_permission(save: Save) -> None:
    """As root every file may be read, so the error is taken from an unreadable kernel file there."""
    path = save(HAR)
    path.chmod(0)
    if os.access(path, os.R_OK):
        path = Path("/proc/self/mem")  # opens, and every read of its first page fails
    with pytest.raises(CaptureError, match=r"cannot be (opened|read)"):
        load(path)


def test_entries_after_closing_are_an_error(save: Save) -> None:
    with open_capture(save(json.dumps(har(2000)).encode())) as opened:
        next(iter(opened.stream.entries))
    opened.close()
    with pytest.raises(CaptureError, match="cannot be read"):
        list(opened.stream.entries)


def test_errors_never_quote_the_capture(save: Save) -> None:
    entry = har_entry()
    entry["request"]["headers"].append({"name": "Authorization", "value": "Bearer hunter2"})
    text = json.dumps([entry]).replace('hunter2"', 'hunter2" hunter2').encode()
    for broken in (text, text[: text.index(b"hunter2") + 7], text + b"hunter2", b"hunter2" + text):
        with pytest.raises(CaptureError) as caught:
            load(save(broken))
        assert "hunter2" not in str(caught.value)


def test_nothing_infinite_is_made_of_large_floats(save: Save) -> None:
    assert math.isinf(load(save(b"[1e400]"))[0])
