"""Whatever bytes come, the reader agrees with ``json.loads``, or raises a ``CaptureError``; never anything else."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from packhorse.captures import ReadLimits, load
from packhorse.captures.readers import entries, exact, scan
from packhorse.errors import CaptureError

from .conftest import flavours, har

FUZZ = settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))

# Surrogates may stand alone here: json.dumps writes them as escapes.
TEXT = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(
    ["\ud800", "\udc00\ud800", "entries", "log", '"\\', "a.b"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5), max_leaves=25
)
CAPTURES = (
    st.lists(VALUES, max_size=6)
    | st.builds(lambda rest, key, values: {**rest, key: values}, st.dictionaries(TEXT, VALUES), TEXT, st.lists(VALUES))
    | st.builds(
        lambda values, rest: {"log": {"version": "1.2", "entries": values, **rest}},
        st.lists(VALUES),
        st.just({"z": [1]}),
    )
)
SPACES = st.sampled_from([None, 0, 1, "\t"])


def read(text: bytes) -> Any:
    return load(io.BytesIO(text), limits=ReadLimits(allow_nan=True))


def json_value(text: bytes) -> tuple[bool, Any]:
    try:
        return True, json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False, None


def has_streamable_list(capture: Any) -> bool:
    """Whether object keys alone lead from the capture to some list."""
    if isinstance(capture, dict):
        return any(has_streamable_list(value) for value in capture.values())
    return isinstance(capture, list)


def check(text: bytes) -> None:
    """The reader's answer is ``json.loads``' answer; where that has none, it is an error, or NDJSON."""
    valid, wanted = json_value(text)
    try:
        got = read(text)
    except CaptureError:
        broken_har = isinstance(wanted, dict) and isinstance(wanted.get("log"), dict)
        assert not valid or broken_har or not has_streamable_list(wanted)
        return
    if valid:
        assert repr(got) == repr(wanted) or got == wanted
    else:
        lines = [json_value(line) for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip(b" \t\r")]
        assert all(good for good, _ in lines)
        assert repr(got) == repr([value for _, value in lines])


@pytest.fixture(params=[7, 64, 256 * 1024], ids=lambda size: f"reads-of-{size}")
def read_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Small reads put a chunk's border everywhere."""
    size: int = request.param
    for module in (entries, exact, scan):
        monkeypatch.setattr(module, "READ_BYTES", size)
    return size


@pytest.fixture(params=["ijson", "exact"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "exact":
        monkeypatch.setattr(entries, "_ijson_items", lambda: None)


@pytest.mark.usefixtures("read_bytes", "parser")
@given(capture=CAPTURES, indent=SPACES, ascii_only=st.booleans())
@FUZZ
def test_json_round_trips(capture: Any, indent: int | str | None, *, ascii_only: bool) -> None:
    text = json.dumps(capture, indent=indent, ensure_ascii=ascii_only)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = json.dumps(capture, indent=indent).encode()
    log = capture.get("log") if isinstance(capture, dict) else None
    if isinstance(log, dict) and not isinstance(log.get("entries"), list):
        check(data)  # it may look like a broken HAR
    else:
        assert read(data) == capture


@pytest.mark.usefixtures("read_bytes", "parser")
@given(values=st.lists(VALUES, min_size=2, max_size=6))
@FUZZ
def test_ndjson_round_trips(values: list[Any]) -> None:
    values = [{"first": 1}, *values]  # a file that begins with a scalar is not taken for a capture
    assert read("\n".join(json.dumps(value) for value in values).encode()) == values


@pytest.mark.usefixtures("read_bytes")
@given(data=st.data())
@FUZZ
def test_mutated_captures(data: st.DataObject) -> None:
    text = bytearray(data.draw(st.sampled_from(list(flavours().values()))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        piece = data.draw(
            st.binary(max_size=3)
            | st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\\ud800"])
        )
        text[at : at + data.draw(st.integers(0, 3))] = piece
    check(bytes(text))


@pytest.mark.usefixtures("parser")
@given(text=st.binary(max_size=60) | st.text('{}[]",:\\ \n0-eEud8', max_size=40).map(str.encode))
@settings(FUZZ, max_examples=500)
def test_any_bytes(text: bytes) -> None:
    check(text)


@pytest.mark.usefixtures("read_bytes")
@pytest.mark.parametrize("program", flavours())
def test_cut_anywhere(program: str) -> None:
    text = flavours()[program]
    rng = random.Random(program)
    for end in sorted(rng.sample(range(len(text)), 150)):
        if text[end:].strip():
            with pytest.raises(CaptureError) as caught:
                read(text[:end])
            assert caught.value.position is not None


def test_a_cut_says_where_and_after_which_entry() -> None:
    text = json.dumps(har(50)).encode()
    values = json.loads(text)["log"]["entries"]
    start = text.index(b'"entries": [') + len(b'"entries": [')
    sizes = [len(json.dumps(value)) for value in values]
    for whole in (0, 1, 7, 49):
        end = start + sum(sizes[:whole]) + 2 * whole + 40
        with pytest.raises(CaptureError) as caught:
            read(text[:end])
        assert caught.value.position == f"byte {end}"
        expected = f"truncated after entry {whole - 1}:" if whole else "truncated before the end of entry 0:"
        assert expected in caught.value.reason


@pytest.mark.usefixtures("parser")
def test_work_is_linear_in_a_string_full_of_escapes() -> None:
    value = [{"a": '"\\\n' * 1_500_000, "b": "\ud800"}]
    assert read(json.dumps(value).encode()) == value


@pytest.mark.parametrize("replace", [False, True], ids=["inserted", "replaced"])
def test_every_byte_everywhere(*, replace: bool) -> None:
    """ijson's C parser takes some bytes for white space that JSON does not; none may slip through."""
    text = b'[{"a":[1,-20.5e+3,true,null,false], "b":"x\\u0041\\n"}, "s",{}]'
    for at in range(len(text) + 1 - replace):
        for byte in range(256):
            check(text[:at] + bytes([byte]) + text[at + replace :])
