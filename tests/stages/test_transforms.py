"""One contract for all compressors and base64s: round trip, strictness, bounds, cross-reading."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import random
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packhorse.errors import CorruptObjectError
from packhorse.stages.base import MAX_DECODED_CHUNK_BYTES, Candidate, CompressesAtOnce
from tests.stages.support import BASE64S, COMPRESSORS, TRANSFORMS, UNCHECKED_WIRES, cut, made, name, usable

CHECKED = [row for row in TRANSFORMS if row.wire not in UNCHECKED_WIRES]
#: Snappy frames mark no end; base64 does so only with padding.
ENDLESS_WIRES = frozenset({"snappy", "base64"})
#: Every bit is under a checksum, headers aside. Brotli has none; base64 neither.
SUMMED_WIRES = frozenset({"zlib", "gzip", "zstd", "lz4", "snappy", "bzip2", "xz"})
MEMBER_WIRES = frozenset({"gzip", "zstd", "lz4", "bzip2", "xz"})
every_transform = pytest.mark.parametrize("row", TRANSFORMS, ids=name)
every_checked = pytest.mark.parametrize("row", CHECKED, ids=name)


def _library(module: str) -> Any:
    """Third-party references are imported when used, so that the other candidates can be tested without them."""
    return import_module(module)


REFERENCE: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "raw": bytes,
    "zlib": zlib.decompress,
    "gzip": gzip.decompress,
    "zstd": lambda data: _library("zstandard").ZstdDecompressor().decompressobj().decompress(data),
    "br": lambda data: _library("brotli").decompress(data),
    "lz4": lambda data: _library("lz4.frame").decompress(data),
    "snappy": lambda data: bytes(_library("cramjam").snappy.decompress(data)),
    "bzip2": bz2.decompress,
    "xz": lzma.decompress,
    "base64": lambda data: base64.b64decode(data, validate=True),
}
#: What another tool writes: each wire format is read whoever wrote it.
FOREIGN: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "gzip": lambda data: gzip.compress(data, mtime=1_700_000_000),
    "zstd": lambda data: _library("zstandard").ZstdCompressor(level=3, write_content_size=False).compress(data),
    "br": lambda data: _library("brotli").compress(data),
    "lz4": lambda data: bytes(_library("lz4.frame").compress(data, block_linked=False, block_checksum=True)),
    "snappy": lambda data: bytes(_library("cramjam").snappy.compress(data)),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "base64": base64.b64encode,
}


def text(size: int, seed: int = 1) -> bytes:
    source = random.Random(seed)
    words = [bytes(source.choices(b'abcdefghij<>/={}"', k=source.randrange(2, 9))) for _ in range(400)]
    out = b" ".join(source.choices(words, k=size // 4))
    return (out * (size // len(out) + 1))[:size]


PLAIN = {
    "empty": b"",
    "one byte": b"\x00",
    "two": b"ab",
    "three": b"abc",
    "text": text(300_001),
    "noise": random.Random(2).randbytes(70_001),
    "zeros": bytes(2_000_000),
    "line ends": b"\r\n\x1f\x8b=" * 11,
}


def forward(row: Candidate, data: list[bytes], **given_settings: int) -> bytes:
    chunks = list(made(row, **given_settings).forward(data))
    assert all(type(chunk) is bytes and chunk for chunk in chunks)
    return b"".join(chunks)


def backward(row: Candidate, chunks: list[bytes]) -> bytes:
    out = list(made(row).backward(chunks))
    assert all(type(chunk) is bytes and chunk for chunk in out)
    return b"".join(out)


@every_transform
@pytest.mark.parametrize("case", PLAIN)
@pytest.mark.parametrize("size", [1, 64, 4099, 10_000_000])
def test_round_trip(row: Candidate, case: str, size: int) -> None:
    data = PLAIN[case] if size > 4 else PLAIN[case][:20_000]
    packed = forward(row, cut(data, size))
    for back_size in (1 if len(packed) < 40_000 else 61, 4096, len(packed) or 1):
        assert backward(row, cut(packed, back_size)) == data
    assert REFERENCE[row.wire](packed) == data


@every_transform
def test_empty_chunks_change_nothing(row: Candidate) -> None:
    data = cut(PLAIN["text"], 1000)
    packed = forward(row, data)
    assert forward(row, [b"", *(piece for chunk in data for piece in (chunk, b"")), b""]) == packed
    assert backward(row, [b"", packed[:100], b"", packed[100:], b""]) == PLAIN["text"]


@every_transform
def test_a_transform_is_used_again_after_success_failure_and_an_early_close(row: Candidate) -> None:
    transform = made(row)
    data = cut(PLAIN["text"], 50_000)
    first = b"".join(transform.forward(data))

    def failing() -> Iterator[bytes]:
        yield from data
        raise KeyError("mine")

    with pytest.raises(KeyError):
        list(transform.forward(failing()))
    stream = transform.forward(iter(cut(PLAIN["noise"], 30_000)))
    next(stream, None)
    del stream
    assert b"".join(transform.forward(data)) == first
    assert b"".join(transform.backward([first])) == PLAIN["text"]


@pytest.mark.parametrize("row", COMPRESSORS, ids=name)
def test_equal_input_gives_equal_bytes(row: Candidate) -> None:
    data = cut(PLAIN["text"], 9000)
    assert forward(row, data) == forward(row, data)
    if row.wire == "gzip":
        packed = forward(row, data)
        assert packed[3] == 0, "no file name"
        assert packed[4:8] == bytes(4), "no time"


@pytest.mark.parametrize("row", [r for r in COMPRESSORS if any(s.name == "level" for s in r.settings)], ids=name)
def test_the_level_takes_effect(row: Candidate) -> None:
    level = next(s for s in row.settings if s.name == "level")
    data = cut(text(400_000), 65536)
    packed = {value: forward(row, data, level=value) for value in (level.low, level.high)}
    assert packed[level.low] != packed[level.high]
    assert len(packed[level.high]) < len(packed[level.low])
    for value in packed.values():
        assert backward(row, [value]) == b"".join(data)


@pytest.mark.parametrize("row", [r for r in COMPRESSORS if any(s.name == "threads" for s in r.settings)], ids=name)
def test_threads_take_effect_and_change_no_content(row: Candidate) -> None:
    data = cut(text(3_000_000), 65536)
    threaded = forward(row, data, threads=2)
    assert backward(row, [threaded]) == b"".join(data)
    # Worker threads cut the input into jobs of their own, which shows in the bytes.
    assert threaded != forward(row, data)


@every_checked
def test_others_of_the_same_wire_format_read_it(row: Candidate) -> None:
    packed = forward(row, cut(PLAIN["text"], 7777))
    for reader in filter(usable, CHECKED):
        if reader.wire == row.wire:
            assert backward(reader, [packed]) == PLAIN["text"]
        else:
            with pytest.raises(CorruptObjectError):
                backward(reader, [packed])


@every_checked
def test_what_other_tools_write_is_read(row: Candidate) -> None:
    for data in PLAIN.values():
        packed = FOREIGN[row.wire](data)
        if packed:
            assert backward(row, cut(packed, 1000)) == data


@pytest.mark.parametrize("row", [r for r in CHECKED if r.wire in MEMBER_WIRES], ids=name)
def test_several_members_are_one_object(row: Candidate) -> None:
    members = [forward(row, [piece]) for piece in (b"one", b"", PLAIN["text"], b"four")]
    whole = b"".join(members)
    for size in (1, 17, len(whole)):
        assert backward(row, cut(whole, size)) == b"one" + PLAIN["text"] + b"four"
    tiny = members[0] * 3000
    assert backward(row, [tiny]) == b"one" * 3000
    with pytest.raises(CorruptObjectError):
        backward(row, [whole, members[0][:-1]])


@pytest.mark.parametrize("row", [r for r in COMPRESSORS if r.wire == "zstd"], ids=name)
def test_skippable_zstd_frames_are_skipped(row: Candidate) -> None:
    skippable = b"\x50\x2a\x4d\x18" + (200_000).to_bytes(4, "little") + bytes(200_000)
    packed = forward(row, [b"abc"])
    assert backward(row, cut(skippable + packed + skippable + packed, 999)) == b"abcabc"
    with pytest.raises(CorruptObjectError):
        backward(row, [packed + skippable[:-1]])


@every_checked
@pytest.mark.parametrize("case", ["text", "noise", "one byte", "empty"])
def test_truncated_input_is_refused(row: Candidate, case: str) -> None:
    data = PLAIN[case][:150_000]
    packed = forward(row, [data])
    if row.wire == "base64":
        places = [place for place in range(1, min(len(packed), 60)) if place % 4]
    else:
        near_ends = [*range(min(len(packed), 25)), *range(max(len(packed) - 25, 0), len(packed))]
        places = sorted({*near_ends, *random.Random(3).choices(range(len(packed)), k=40)})
    for place in places:
        if row.wire == "snappy":
            try:
                assert data.startswith(backward(row, [packed[:place]]))
            except CorruptObjectError:
                continue
            assert len(packed) - place >= 4, "cut within a frame"
        else:
            with pytest.raises(CorruptObjectError):
                backward(row, [packed[:place]])


@every_checked
@pytest.mark.parametrize("garbage", [b"\x01", b"garbage!", b"\x1f\x8b\x08", b"AAAA", bytes(4000), b"=\n"])
@pytest.mark.parametrize("apart", [False, True])
def test_bytes_after_the_end_are_refused(row: Candidate, garbage: bytes, *, apart: bool) -> None:
    packed = forward(row, [PLAIN["text"][:1000]])  # 1000 bytes: base64 is padded
    with pytest.raises(CorruptObjectError):
        backward(row, [packed, garbage] if apart else [packed + garbage])


@every_checked
def test_damage_is_seen_or_harmless(row: Candidate) -> None:
    data = PLAIN["text"][:40_000]
    packed = forward(row, [data])
    source = random.Random(4)
    places = [*range(min(len(packed), 40)), *source.choices(range(len(packed)), k=150)]
    for place in places:
        damaged = bytearray(packed)
        damaged[place] ^= 1 << source.randrange(8)
        try:
            out = backward(row, [bytes(damaged)])
        except CorruptObjectError:
            continue
        if row.wire in SUMMED_WIRES:
            assert out == data, f"byte {place}"


@every_checked
@pytest.mark.parametrize(
    "junk", [b"", b"\x00", b"{}", b"\xff" * 100, b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08\x00", b"Zm9\xf6"]
)
def test_junk_is_refused(row: Candidate, junk: bytes) -> None:
    if row.wire == "base64" and not junk:
        assert backward(row, [junk]) == b""
        return
    with pytest.raises(CorruptObjectError):
        backward(row, [junk])


@pytest.mark.parametrize("row", [r for r in BASE64S if r.wire == "base64"], ids=name)
@pytest.mark.parametrize(
    "bad", [b"Zm9v\nZm9v", b"Zm9v Zm9v", b"Zg=", b"Zg==Zg==", b"=Zm9", b"Z===", b"Zh==", b"Zm9_", b"Zm-v", b"===="]
)
def test_base64_is_strict(row: Candidate, bad: bytes) -> None:
    for size in (1, 3, 4, 100):
        with pytest.raises(CorruptObjectError):
            backward(row, cut(bad, size))


@pytest.mark.parametrize("row", [r for r in COMPRESSORS if r.wire not in UNCHECKED_WIRES], ids=name)
def test_a_bomb_is_met_in_small_steps(row: Candidate) -> None:
    size = 24 * 1024 * 1024
    packed = forward(row, [bytes(1024 * 1024)] * (size // 1024 // 1024))
    total = 0
    for chunk in made(row).backward([packed]):
        assert len(chunk) <= MAX_DECODED_CHUNK_BYTES
        total += len(chunk)
    assert total == size


@pytest.mark.parametrize("row", [r for r in COMPRESSORS if r.wire not in UNCHECKED_WIRES], ids=name)
def test_no_more_input_is_read_than_the_next_chunk_needs(row: Candidate) -> None:
    packed = forward(row, cut(random.Random(6).randbytes(2_000_000), 65536))
    read = 0

    def watched() -> Iterator[bytes]:
        nonlocal read
        for piece in cut(packed, 10_000):
            read += len(piece)
            yield piece

    first = next(iter(made(row).backward(watched())))
    assert first
    assert read < 1_200_000


@pytest.mark.parametrize("row", [r for r in TRANSFORMS if r.streaming], ids=name)
def test_memory_stays_flat(row: Candidate) -> None:
    """A streaming transform hands out what it takes in: it never runs ahead of, nor far behind, its input."""
    source = random.Random(7)
    slow = row.wire in {"bzip2", "xz"}
    piece_bytes, pieces = 64 * 1024, 80 if slow else 512
    # Brotli ends a meta-block of incompressible input after 8 MiB.
    held_bytes_max = (9 if row.wire == "br" else 4) * 1024 * 1024
    taken = given_out = behind = 0

    def noise() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(pieces):
            taken += piece_bytes
            yield source.randbytes(piece_bytes)

    fastest = {"level": 1 if row.wire == "bzip2" else 0} if slow else {}
    for chunk in made(row, **fastest).forward(noise()):
        given_out += len(chunk)
        behind = max(behind, taken - given_out)
        assert len(chunk) <= held_bytes_max
    assert behind <= held_bytes_max
    assert taken == pieces * piece_bytes


@every_transform
@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(chunks=st.lists(st.binary(max_size=5000), max_size=8), back=st.integers(1, 6000))
def test_any_bytes_in_any_chunks_come_back(row: Candidate, chunks: list[bytes], back: int) -> None:
    packed = forward(row, chunks)
    assert backward(row, cut(packed, back)) == b"".join(chunks)


@every_checked
@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(junk=st.binary(max_size=400))
def test_any_junk_gives_bytes_or_a_corrupt_object_error(row: Candidate, junk: bytes) -> None:
    try:
        backward(row, [junk])
    except CorruptObjectError:
        return


@pytest.mark.parametrize("row", [row for row in COMPRESSORS if row.wire in ("gzip", "zlib")], ids=name)
@pytest.mark.parametrize("plain", [b"", b"{}", b'{"a": 1}' * 50_000], ids=["empty", "short", "long"])
def test_what_is_compressed_in_one_call_reads_back_and_its_checksum_is_that_of_the_capture(
    row: Candidate, plain: bytes
) -> None:
    compressor = made(row)
    at_once: object = compressor
    assert isinstance(at_once, CompressesAtOnce)
    packed, crc = at_once.whole(plain)
    assert REFERENCE[row.wire](packed) == plain
    assert crc == (zlib.crc32(plain) if row.wire == "gzip" else None)
    assert b"".join(compressor.backward([packed])) == plain
