"""One contract for all encoders: round trip, cross-reading, odd and hostile values, laziness."""

from __future__ import annotations

import contextlib
import json
import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from packhorse.errors import CaptureError, CorruptObjectError
from packhorse.model import EntryStream
from packhorse.stages.base import Candidate
from tests.stages.support import (
    AS_JSON_SEES_IT,
    ENCODERS,
    GIANT,
    TRICKY,
    Watched,
    cut,
    har,
    made,
    name,
    nested,
    stream_of,
)

JSON_TEXTS = [row for row in ENCODERS if row.wire in {"json", "ndjson"}]
STREAMING = [row for row in ENCODERS if row.streaming]
#: These yield what the standard library's iterencode yields: a string is one piece, whatever its length.
PIECEWISE = frozenset({"json-iterencode", "json-stream"})
BY_ENTRY = [row for row in STREAMING if row.name not in PIECEWISE]
every_encoder = pytest.mark.parametrize("row", ENCODERS, ids=name)
CHUNKS = [1, 7, 1000, 65536]


def encoded(row: Candidate, capture: Any, **given_settings: int) -> bytes:
    chunks = list(made(row, **given_settings).encode(capture))
    assert all(type(chunk) is bytes and chunk for chunk in chunks)
    return b"".join(chunks)


def same(left: Any, right: Any) -> bool:
    """Equality that tells 1 from 1.0 and True, and minds the order of keys."""
    return bool(left == right) and repr(left) == repr(right)


@every_encoder
@pytest.mark.parametrize("case", TRICKY)
def test_round_trip(row: Candidate, case: str) -> None:
    data = encoded(row, TRICKY[case])
    decoded = json.loads(data.decode("utf-8")) if row.wire == "json" else made(row).decode([data])
    assert same(decoded, TRICKY[case])


@every_encoder
@pytest.mark.parametrize("chunk", CHUNKS)
def test_chunk_setting_changes_boundaries_only(row: Candidate, chunk: int) -> None:
    capture = har(9)
    chunks = list(made(row, chunk=chunk).encode(capture))
    data = b"".join(chunks)
    assert data == encoded(row, capture)
    if chunk > 1:  # what makes a chunk by itself is handed on apart from what waits before it
        assert len(chunks) <= 2 * len(data) / chunk + 3
    decoder = made(row)
    for size in (1 if len(data) < 100_000 else 13, 4096, len(data)):
        assert same(decoder.decode(cut(data, size)), capture)


@every_encoder
def test_an_encoder_is_used_again_after_success_failure_and_an_early_close(row: Candidate) -> None:
    encoder = made(row, chunk=500)
    capture = har(5)
    expected = b"".join(encoder.encode(capture))
    with pytest.raises(CaptureError):
        list(encoder.encode({"log": {"entries": [1, object()]}}))
    stream = encoder.encode(capture)
    next(stream)
    stream.close() if hasattr(stream, "close") else None
    assert b"".join(encoder.encode(capture)) == expected


@pytest.mark.parametrize("row", JSON_TEXTS, ids=name)
@pytest.mark.parametrize("case", AS_JSON_SEES_IT)
def test_odd_values_become_what_json_makes_of_them(row: Candidate, case: str) -> None:
    value, expected = AS_JSON_SEES_IT[case]
    assert same(made(row).decode([encoded(row, value)]), expected)
    in_stream = EntryStream({"a": []}, ("a",), iter([1, value, 2]))
    assert same(made(row).decode([encoded(row, in_stream)]), {"a": [1, expected, 2]})


@pytest.mark.parametrize("row", [row for row in ENCODERS if row.wire == "json"], ids=name)
def test_json_is_compact(row: Candidate) -> None:
    assert encoded(row, {"a": [1, 2, {"b": "c d"}]}) == b'{"a":[1,2,{"b":"c d"}]}'


@pytest.mark.parametrize("row", [row for row in ENCODERS if row.wire == "ndjson"], ids=name)
def test_ndjson_is_one_json_text_per_line(row: Candidate) -> None:
    capture = har(7)
    lines = encoded(row, capture).decode().split("\n")
    assert lines.pop() == ""
    head, *elements = [json.loads(line) for line in lines]
    assert elements == capture["log"]["entries"]
    assert head["packhorse_ndjson"] == 1
    assert head["lists"] == [{"path": ["log", "entries"], "count": 7}]
    assert list(head["outline"]["log"]) == list(capture["log"])


@pytest.mark.parametrize("row", [row for row in ENCODERS if row.wire == "msgpack"], ids=name)
def test_msgpack_keeps_what_json_cannot_express(row: Candidate) -> None:
    value = {"e": [{1: "a", 1.5: 2}, {"n": math.inf}]}
    assert made(row).decode([encoded(row, value)]) == value
    assert math.isnan(made(row).decode([encoded(row, [math.nan])])[0])


@every_encoder
@pytest.mark.parametrize("reader", ENCODERS, ids=lambda row: f"read-by-{row.name}")
def test_others_of_the_same_wire_format_read_it(row: Candidate, reader: Candidate) -> None:
    if row.wire != reader.wire:
        with pytest.raises(CorruptObjectError):
            made(reader).decode([encoded(row, {"log": {"entries": [{"a": 1}, "x"]}})])
        return
    for case in ("har", "scalars", "lone surrogate", "big integers", "several lists", "deep but fine"):
        assert same(made(reader).decode([encoded(row, TRICKY[case])]), TRICKY[case])


@every_encoder
@pytest.mark.parametrize("count", [0, 1, 2, 33])
def test_entry_streams_equal_the_plain_object(row: Candidate, count: int) -> None:
    entries = har(count)["log"]["entries"]
    expected = stream_of(entries).materialize()
    for source in (entries, iter(entries), (item for item in entries), tuple(entries)):
        assert same(made(row).decode([encoded(row, stream_of(source), chunk=5000)]), expected)
    at_root = EntryStream([], (), iter(entries))
    assert same(made(row).decode([encoded(row, at_root)]), entries)
    between = EntryStream({"a": 1, "b": [], "c": {"d": 2}}, ("b",), iter(entries))
    assert same(made(row).decode([encoded(row, between)]), {"a": 1, "b": entries, "c": {"d": 2}})


@pytest.mark.parametrize("row", STREAMING, ids=name)
def test_entries_are_taken_only_as_chunks_are_asked_for(row: Candidate) -> None:
    entries = Watched(400)
    chunk_bytes = 64 * 1024
    chunks = made(row, chunk=chunk_bytes).encode(stream_of(entries))
    read_bytes = largest = 0
    entry_bytes = 25_000
    for chunk in chunks:
        read_bytes += len(chunk)
        largest = max(largest, len(chunk))
        assert entries.taken * entry_bytes <= read_bytes * 1.5 + 2 * chunk_bytes + 4 * entry_bytes
    assert entries.taken == 400
    assert largest <= chunk_bytes + 4 * entry_bytes


@pytest.mark.parametrize("row", STREAMING, ids=name)
@pytest.mark.parametrize("entries", [30, 960])
def test_no_chunk_of_a_plain_capture_is_larger_whatever_its_size(row: Candidate, entries: int) -> None:
    source = har(30, body_characters=30_000)["log"]["entries"]
    capture = {"log": {"entries": [source[index % 30] for index in range(entries)]}}
    sizes = [len(chunk) for chunk in made(row, chunk=64 * 1024).encode(capture)]
    assert max(sizes) <= 256 * 1024
    assert sum(sizes) > entries * 25_000


@pytest.mark.parametrize("row", BY_ENTRY, ids=name)
@pytest.mark.parametrize(
    "case",
    [
        "giant ASCII",
        "giant wide characters",
        "giant at the root",
        "large post",
        "giant object in a list",
    ],
)
def test_giant_values_come_in_slices(row: Candidate, case: str) -> None:
    assert max(len(chunk) for chunk in made(row, chunk=1000).encode(TRICKY[case])) <= 1536 * 1024


def _cycle() -> Any:
    cycle: dict[str, Any] = {"log": {"entries": [{"a": 1}]}}
    cycle["log"]["entries"].append(cycle)
    return cycle


class RaisingDict(dict[str, Any]):
    def items(self) -> Any:
        raise ZeroDivisionError("SECRET")


class RaisingList(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        raise ZeroDivisionError("SECRET")


class RaisingStr:
    def __str__(self) -> str:
        raise ZeroDivisionError("SECRET")

    __repr__ = __str__


HOSTILE: dict[str, Any] = {
    "foreign type": lambda: {"log": {"entries": [{"a": 1}, {"SECRET": object()}]}},
    "raising str": lambda: [RaisingStr()],
    "cycle": _cycle,
    "depth 100000": lambda: nested(100_000),
    "depth 100000 in an entry": lambda: {"log": {"entries": [{"a": 1}, nested(100_000)]}},
    "too many digits": lambda: [10**5000],
}


@every_encoder
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_values_end_in_a_capture_error_that_tells_no_content(
    row: Candidate, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def walk_briefly() -> None:
        """The walk that tells where it is takes longest and knows no encoders: once each it goes all the way."""
        monkeypatch.setattr("packhorse.position.MOST_VALUES", 1000)

    value = HOSTILE[case]()
    if case != "depth 100000":
        walk_briefly()
    with pytest.raises(CaptureError) as caught:
        list(made(row).encode(value))
    assert "SECRET" not in str(caught.value)
    walk_briefly()
    with pytest.raises(CaptureError):
        list(made(row).encode(EntryStream({"a": []}, ("a",), iter([1, HOSTILE[case]()]))))


@every_encoder
def test_a_foreign_key_is_refused_or_written_by_the_library_but_never_another_error(row: Candidate) -> None:
    value = {"log": {"entries": [{"a": 1}, {("SECRET",): 1}]}}
    if row.name in {"ujson", "msgpack-msgspec", "msgpack-ormsgpack"}:  # these write more than the contract asks
        assert encoded(row, value)
        return
    with pytest.raises(CaptureError) as caught:
        encoded(row, value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("row", BY_ENTRY, ids=name)
def test_the_second_large_value_in_an_odd_place_is_sliced(row: Candidate) -> None:
    odd = {"request": {}, "response": {"content": {}}, "_odd": [{"x": "y" * GIANT}]}
    sizes = [len(chunk) for chunk in made(row, chunk=1000).encode({"log": {"entries": [odd, odd, odd]}})]
    assert sum(size > GIANT for size in sizes) == 1
    assert sum(sizes) > 3 * GIANT


@every_encoder
@pytest.mark.parametrize("kind", [RaisingDict, RaisingList])
def test_containers_that_raise_never_let_their_error_out(row: Candidate, kind: Any) -> None:
    value = {"log": {"entries": [kind(a=1) if kind is RaisingDict else kind([1])]}}
    try:
        data = encoded(row, value)  # some libraries read the memory of a subclass directly
    except CaptureError as error:
        if "SECRET" in str(error):
            raise
    else:
        assert made(row).decode([data]) in ({"log": {"entries": [{"a": 1}]}}, {"log": {"entries": [[1]]}})


@pytest.mark.parametrize("row", BY_ENTRY, ids=name)
def test_the_error_names_the_entry(row: Candidate) -> None:
    entries: list[Any] = [{"a": index} for index in range(200)]
    entries[137] = {"a": object()}
    with pytest.raises(CaptureError, match=r"log\.entries\[137\].*object"):
        list(made(row).encode({"log": {"entries": entries}}))


@every_encoder
def test_a_source_of_entries_that_fails_is_a_capture_error(row: Candidate) -> None:
    def broken() -> Iterator[Any]:
        yield {"a": 1}
        raise OSError("SECRET")

    with pytest.raises(CaptureError) as caught:
        list(made(row).encode(stream_of(broken())))
    assert "SECRET" not in str(caught.value)
    assert "OSError" in str(caught.value)

    def refused() -> Iterator[Any]:
        yield {"a": 1}
        raise CaptureError("not JSON", source="my.har", position="byte 12")

    with pytest.raises(CaptureError, match=r"my\.har, byte 12: not JSON"):
        list(made(row).encode(stream_of(refused())))


@every_encoder
@pytest.mark.parametrize(
    "stream", [EntryStream({"log": {}}, ("log", "entries"), [1]), EntryStream({"a": 1}, ("a", "b"), [1])]
)
def test_a_path_that_leads_nowhere_is_a_capture_error(row: Candidate, stream: EntryStream) -> None:
    with pytest.raises(CaptureError):
        list(made(row).encode(EntryStream(stream.outline, stream.path, [1])))


@every_encoder
def test_a_list_that_shrinks_meanwhile_is_no_crash(row: Candidate) -> None:
    capture = har(200, body_characters=3000)
    stream = made(row, chunk=1000).encode(capture)
    chunks = [next(stream)]
    del capture["log"]["entries"][5:]
    try:
        chunks.extend(stream)
    except CaptureError:
        return
    made(row).decode(chunks)


@every_encoder
@pytest.mark.parametrize("case", ["har", "several lists", "long list of mixed", "scalars"])
def test_truncated_objects_are_refused(row: Candidate, case: str) -> None:
    data = encoded(row, TRICKY[case])
    decoder = made(row)
    places = sorted(
        {0, 1, 2, len(data) // 2, len(data) - 1, len(data) - 2, *random.Random(5).sample(range(len(data)), 20)}
    )
    for place in places:
        with pytest.raises(CorruptObjectError):
            decoder.decode([data[:place]])


@pytest.mark.parametrize("row", [row for row in ENCODERS if row.wire == "ndjson"], ids=name)
@pytest.mark.parametrize("source", [lambda e: e, iter], ids=["counted", "uncounted"])
def test_ndjson_cut_between_lines_is_refused(row: Candidate, source: Any) -> None:
    data = encoded(row, stream_of(source(har(5)["log"]["entries"])))
    lines = data.splitlines(keepends=True)
    for count in range(len(lines)):
        with pytest.raises(CorruptObjectError):
            made(row).decode(lines[:count])
    with pytest.raises(CorruptObjectError):
        made(row).decode([*lines, b"1\n"])


@every_encoder
@pytest.mark.parametrize("garbage", [b"\x00", b"\xff\xfe", b"]", b"}x", b"\n\n{"])
def test_trailing_garbage_and_foreign_bytes_are_refused(row: Candidate, garbage: bytes) -> None:
    data = encoded(row, TRICKY["har"])
    with pytest.raises(CorruptObjectError):
        made(row).decode([data, garbage])
    with pytest.raises(CorruptObjectError):
        made(row).decode([b"\xc1", garbage])


@every_encoder
def test_flipped_bytes_never_raise_anything_else(row: Candidate) -> None:
    data = encoded(row, har(2, body_characters=200))
    source = random.Random(11)
    decoder = made(row)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[source.randrange(len(data))] ^= 1 << source.randrange(8)
        with contextlib.suppress(CorruptObjectError):
            decoder.decode([bytes(damaged)])


@every_encoder
@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"a":' * 100_000, b"\x91" * 100_000 + b"\x01", b"[NaN]", b"[1e999999"]
)
def test_hostile_objects_are_refused(row: Candidate, text: bytes) -> None:
    with pytest.raises(CorruptObjectError):
        made(row).decode([text])


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None), max_size=30),
    lambda children: (
        st.lists(children, max_size=8)
        | st.dictionaries(st.text(st.characters(codec=None), max_size=8), children, max_size=8)
    ),
    max_leaves=40,
)


@every_encoder
@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
@given(value=json_values, chunk=st.sampled_from([1, 3, 64, 4096]))
def test_any_json_value_comes_back(row: Candidate, value: Any, chunk: int) -> None:
    assert same(made(row).decode([encoded(row, value, chunk=chunk)]), value)
    listed = EntryStream({"x": {"y": []}, "z": value}, ("x", "y"), iter([value, value]))
    assert same(made(row).decode([encoded(row, listed, chunk=chunk)]), {"x": {"y": [value, value]}, "z": value})
