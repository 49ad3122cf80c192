"""Reading back: every pipeline is undone from the object's own metadata; damage and bombs are errors."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import tracemalloc
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from packhorse import fetching, wire
from packhorse.bench.lab.targets import Target, start_target
from packhorse.errors import (
    CorruptObjectError,
    ExpansionLimitError,
    InputError,
    PackhorseError,
    StoreError,
    StoreErrorKind,
)
from packhorse.fetching import (
    DEFAULT_MAX_BYTES,
    FetchLimits,
    _Allowed,
    _checked,
    fetch,
    fetch_to_file,
    reading_store,
)
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.stages.compress.streams import SELF_CHECKING
from packhorse.stores.base import ObjectInfo, Store
from packhorse.units import MIB
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader

pytestmark = pytest.mark.xdist_group("fetch")  # one server for all

CAPTURE = {
    "log": {"version": "1.2", "entries": [{"n": n, "text": "é😀" * n, "odd": [None, 1.5, -1]} for n in range(60)]}
}
PIPELINES = [
    "orjson-stream | zstd:1 | raw",
    "json-iterencode | zlib:6 | base64-stdlib",
    "ndjson-orjson | isal:1 | raw",
    "msgpack-msgspec | lz4 | base64-pybase64",
    "msgspec | brotli:4 | raw",
    "json | none | raw",
]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with start_target("rclone") as running:
        yield running


@pytest.fixture(scope="module")
def store(target: Target) -> Iterator[Store]:
    made = reading_store(target.endpoint)
    yield made
    made.close()


def url(target: Target, key: str) -> str:
    return f"s3://{target.endpoint.bucket}/{key}"


def put(store: Store, key: str, body: bytes, metadata: dict[str, str]) -> None:
    store.put(key, body, ObjectInfo(metadata=metadata))


def described(text: str, **more: Any) -> dict[str, str]:
    return dict(wire.describe(Pipeline.parse(text), "test", **more).metadata)


@pytest.mark.parametrize("text", PIPELINES)
def test_every_wire_format_comes_back(text: str, target: Target, tmp_path: Path) -> None:
    profile = Profile("p", Pipeline.parse(f"{text} | obstore:pool=4"), 4)
    options = UploaderOptions(endpoint=target.endpoint)
    with Uploader(url(target, "every"), profile=profile, redact=False, options=options) as uploader:
        ticket = uploader.submit(CAPTURE)
        ticket.result(30)
    assert fetch(ticket.url, endpoint=target.endpoint) == CAPTURE
    file = tmp_path / "back.json"
    size = fetch_to_file(ticket.url, file, endpoint=target.endpoint)
    assert json.loads(file.read_bytes()) == CAPTURE
    assert size == file.stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["back.json"]


def test_a_bomb_is_an_error_and_leaves_no_file(store: Store, target: Target, tmp_path: Path) -> None:
    bomb = gzip.compress(b'"' + b" " * 200_000_000 + b'"', 9)
    put(store, "bomb", bomb, described("json | gzip | raw"))
    with pytest.raises(ExpansionLimitError, match="10"):
        fetch(url(target, "bomb"), endpoint=target.endpoint, max_bytes=10_000_000)
    with pytest.raises(ExpansionLimitError):
        fetch_to_file(url(target, "bomb"), tmp_path / "out.json", endpoint=target.endpoint, max_bytes=10_000_000)
    assert list(tmp_path.iterdir()) == []


def bombs() -> dict[str, tuple[bytes, str]]:
    return {
        "ratio": (gzip.compress(b"[" + b" " * (300 << 20) + b"0]", 1), "times its stored size"),
        "numbers": (gzip.compress(b"[" + b"0," * (200 << 20) + b"0]", 1), "of memory"),
        "lists": (gzip.compress(b"[" * 50_000_000, 1), "of memory"),
        "dicts": (gzip.compress(b"[" + b"{}," * (40 << 20) + b"0]", 1), "of memory"),
    }


def test_a_bomb_costs_little_memory_by_the_default_limits() -> None:
    codec = wire.codec_for(("json", "gzip", "raw"))
    for bomb, told in bombs().values():
        tracemalloc.start()
        with pytest.raises(ExpansionLimitError, match=told):
            codec.encoder.decode(_checked(codec, (iter([bomb]), {}, "url"), _Allowed.checked(DEFAULT_MAX_BYTES, None)))
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
        tracemalloc.stop()


def test_a_large_capture_is_undone_twice_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = wire.codec_for(("json", "gzip", "raw"))
    monkeypatch.setattr(fetching, "KEPT_PLAIN_BYTES", 1000)
    stored = gzip.compress(json.dumps(CAPTURE).encode())
    pieces = [stored[start : start + 100] for start in range(0, len(stored), 100)]
    allowed = _Allowed.checked(DEFAULT_MAX_BYTES, None)
    assert codec.encoder.decode(_checked(codec, (iter(pieces), {}, "url"), allowed)) == CAPTURE


def test_limits_are_checked_and_can_be_raised() -> None:
    with pytest.raises(InputError, match="max_ratio"):
        FetchLimits(max_ratio=0)
    codec = wire.codec_for(("json", "gzip", "raw"))
    stored = gzip.compress(b"[" + b"{}," * 1000 + b"0]")
    tight = _Allowed.checked(DEFAULT_MAX_BYTES, FetchLimits(max_memory_bytes=10_000))
    with pytest.raises(ExpansionLimitError, match="fetch_to_file"):
        codec.encoder.decode(_checked(codec, (iter([stored]), {}, "url"), tight))
    enough = _Allowed.checked(DEFAULT_MAX_BYTES, FetchLimits(max_memory_bytes=1_000_000))
    assert len(codec.encoder.decode(_checked(codec, (iter([stored]), {}, "url"), enough))) == 1001


@pytest.mark.parametrize("text", [*PIPELINES, "orjson | snappy | raw", "orjson | lzma:1 | raw", "orjson | bz2:1 | raw"])
@pytest.mark.parametrize("whole", [True, False], ids=["digest", "own-checksum"])
def test_no_flipped_bit_and_no_cut_passes(text: str, whole: bool) -> None:
    """What is read back is what was written, or an error; without a digest by codings with a checksum alone."""
    pipeline = Pipeline.parse(text)
    if not whole and pipeline.wire[1] not in SELF_CHECKING:
        pytest.skip("needs a digest: the uploader does not stream it")
    codec = wire.codec_for(pipeline.wire)
    plain = b"".join(codec.encoder.encode(CAPTURE))
    good = b"".join(codec.base64.forward(codec.compressor.forward([plain])))
    more = {"plain_bytes": len(plain), "sha256": hashlib.sha256(plain).hexdigest()} if whole else {}
    metadata = described(text, **more)
    dice = random.Random(text)
    for turn in range(250):
        damaged = bytearray(good)
        if turn % 5:
            damaged[dice.randrange(len(good))] ^= 1 << dice.randrange(8)
        else:
            del damaged[dice.randrange(len(good)) :]
        source = (iter([bytes(damaged)]), metadata, "url")
        try:
            back = codec.encoder.decode(_checked(codec, source, _Allowed.checked(DEFAULT_MAX_BYTES, None)))
        except PackhorseError:
            continue
        assert back == CAPTURE


def test_damage_is_found(store: Store, target: Target) -> None:
    text = "orjson | gzip | raw"
    plain = json.dumps(CAPTURE).encode()
    good = gzip.compress(plain)
    cases = {
        "truncated": (good[:-5], described(text)),
        "size": (good, described(text, plain_bytes=5)),
        "SHA-256": (good, described(text, plain_bytes=len(plain), sha256="0" * 64)),
        "CRC-32": (good, described(text, plain_bytes=len(plain), crc32=zlib.crc32(plain) ^ 1)),
        "not-ours": (good, {}),
        "future": (good, {**described(text), wire.META_VERSION: "99"}),
        "unknown-wire": (good, {**described(text), wire.META_WIRE: "json rot13 raw"}),
        "two-wires": (good, {**described(text), wire.META_WIRE: "json gzip"}),
        "not-json": (gzip.compress(b"{nope"), described(text)),
    }
    for key, (body, metadata) in cases.items():
        put(store, key, body, metadata)
        with pytest.raises(CorruptObjectError):
            fetch(url(target, key), endpoint=target.endpoint)


def test_a_missing_object_and_bad_urls(target: Target) -> None:
    with pytest.raises(StoreError) as caught:
        fetch(url(target, "missing"), endpoint=target.endpoint)
    assert caught.value.kind is StoreErrorKind.NOT_FOUND
    with pytest.raises(StoreError):
        fetch("s3://no-such-bucket-here/key", endpoint=replace(target.endpoint, bucket="no-such-bucket-here"))
    for bad in ("s3://bucket", "s3://bucket/", "https://bucket/key", "key"):
        with pytest.raises(InputError, match="s3://"):
            fetch(bad, endpoint=target.endpoint)


@pytest.mark.parametrize("max_bytes", ["10", float("nan"), float("inf"), 1.5, True, None, 0, -1])
def test_a_wrong_limit_is_refused_before_anything_is_sent(max_bytes: Any, tmp_path: Path) -> None:
    given: dict[str, Any] = {"endpoint_url": "http://127.0.0.1:1", "max_bytes": max_bytes}
    with pytest.raises(InputError, match=r"^max_bytes is "):
        fetch("s3://bucket/key", **given)
    with pytest.raises(InputError, match=r"^max_bytes is "):
        fetch_to_file("s3://bucket/key", tmp_path / "capture.json", **given)
    assert list(tmp_path.iterdir()) == []


def test_damage_is_found_by_the_crc_alone(store: Store, target: Target) -> None:
    """What uploaders write by default: a CRC-32, and a coding (here none) that has no checksum of its own."""
    text = "orjson | none | raw"
    plain = b"".join(Pipeline.parse(text).encode(CAPTURE))
    metadata = described(text, plain_bytes=len(plain), crc32=zlib.crc32(plain))
    put(store, "good", plain, metadata)
    assert fetch(url(target, "good"), endpoint=target.endpoint) == CAPTURE
    draws = random.Random(1)
    for number in range(40):
        at = draws.randrange(len(plain))
        put(
            store,
            f"flipped-{number}",
            plain[:at] + bytes([plain[at] ^ 1 << draws.randrange(8)]) + plain[at + 1 :],
            metadata,
        )
        with pytest.raises(CorruptObjectError):
            fetch(url(target, f"flipped-{number}"), endpoint=target.endpoint)
