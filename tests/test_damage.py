"""Damage of stored objects is always found: every profile and coding, sent whole and as a stream, read both ways."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packhorse import wire
from packhorse.errors import PackhorseError, UploadFailed
from packhorse.fetching import DEFAULT_MAX_BYTES, _Allowed, _checked, _verified
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile, load_profile
from packhorse.stages.compress.streams import SELF_CHECKING
from packhorse.stores.base import ObjectInfo, PutResult
from packhorse.uploader.encoder import Encoder, OutOfTime
from packhorse.uploader.job import Job
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate, Ticket
from tests.uploader.fakes import FakeStore, options

PROFILES = ("default", "smallest", "cheapest", "plain", "text")
CODINGS = ("none", "brotli:1", "snappy", "zlib:6", "isal:1", "zstd:3", "lz4", "bz2:1", "lzma:1")
PIPELINES = {
    **{name: str(load_profile(name).pipeline.cpu) for name in PROFILES},
    **{f"{way} {coding}": f"{way} | {coding} | raw" for way in ("orjson", "ndjson-orjson") for coding in CODINGS},
    "msgpack none": "msgpack-ormsgpack | none | raw",
    "base64 none": "orjson | none | base64-pybase64",
}
#: Of each object; all tests together try 10,000.
TRIES = 200
DICE = random.Random(15)
CAPTURE = {
    "log": {
        "version": "1.2",
        "entries": [{"n": n, "text": "".join(DICE.choices('abcdefghij klmnop\n"', k=300))} for n in range(30)],
    }
}


class Noting(FakeStore):
    """Notes what came as a stream."""

    def __init__(self) -> None:
        super().__init__()
        self.streamed: list[str] = []

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        self.streamed.append(key)
        return super().put_stream(key, chunks, info)


def stored(text: str, capture: Any, **more: Any) -> tuple[bytes, dict[str, str], bool]:
    """The object of a capture: its bytes, its metadata, and whether it came as a stream."""
    store = Noting()
    profile = Profile("damage", Pipeline.parse(f"{text} | memory"), max_in_flight=2)
    with Uploader("s3://bucket", profile=profile, redact=False, options=options(store, **more)) as up:
        key = up.upload(capture, timeout_s=60).key
    return store.objects[key], dict(store.infos[key].metadata), key in store.streamed


def damages(good: bytes, dice: random.Random, tries: int) -> Iterator[bytes]:
    """Flipped bits, and every fifth time a cut."""
    for turn in range(tries):
        damaged = bytearray(good)
        if turn % 5:
            damaged[dice.randrange(len(good))] ^= 1 << dice.randrange(8)
        else:
            del damaged[dice.randrange(len(good)) :]
        yield bytes(damaged)


def undetected(text: str, good: bytes, metadata: dict[str, str], *, tries: int) -> int:
    """Damages after which another capture was read, whole or in pieces."""
    codec = wire.codec_for(Pipeline.parse(text).wire)
    allowed = _Allowed.checked(DEFAULT_MAX_BYTES, None)
    plain = b"".join(codec.plain([good]))
    wrong = 0
    for damaged in damages(good, random.Random(text), tries):
        with contextlib.suppress(PackhorseError):
            wrong += codec.encoder.decode(_checked(codec, (iter([damaged]), metadata, "url"), allowed)) != CAPTURE
        with contextlib.suppress(PackhorseError):
            wrong += b"".join(_verified(codec, (iter([damaged]), metadata, "url"), allowed)) != plain
    return wrong


@pytest.mark.parametrize("large", [False, True], ids=["whole", "large"])
@pytest.mark.parametrize("name", PIPELINES)
def test_no_flipped_bit_and_no_cut_is_read_as_valid(name: str, large: bool) -> None:
    text = PIPELINES[name]
    good, metadata, streamed = stored(text, CAPTURE, **({"stream_above_bytes": 500} if large else {}))
    assert streamed == (large and Pipeline.parse(text).wire[1] in SELF_CHECKING)
    assert (wire.META_PLAIN_CRC32 in metadata) != streamed
    assert undetected(text, good, metadata, tries=TRIES) == 0


def test_a_body_that_is_kept_whole_is_not_made_past_the_deadline() -> None:
    profile = Profile("none", Pipeline.parse("orjson-stream | none | raw | memory"), max_in_flight=2)
    encoder = Encoder(profile, options(Noting(), stream_above_bytes=500))
    with pytest.raises(OutOfTime):
        encoder.encode(Job(Ticket("k", "s3://bucket/"), CAPTURE, 1, 0, 0.0), end_s=0.0)


def test_what_is_kept_whole_counts_and_is_refused_beyond_the_budget(tmp_path: Path) -> None:
    """Also of iterators and files, whose size nobody knows before."""
    entry = {"text": "x" * 2**20}
    capture = {"log": {"version": "1.2", "entries": [entry] * 60}}
    file = tmp_path / "large.har"
    file.write_text(json.dumps(capture))
    store = Noting()
    profile = Profile("none", Pipeline.parse("orjson-stream | none | raw | memory"), max_in_flight=2)

    def of(budget_bytes: int) -> Uploader:
        chosen: UploaderOptions = options(store)
        return Uploader("s3://bucket", profile=profile, redact=False, memory_budget_bytes=budget_bytes, options=chosen)

    with of(200 * 2**20) as up:
        ticket = up.submit(file)
        ticket.result(60)
        assert json.loads(store.objects[ticket.key]) == capture
        assert up.stats().peak_held_bytes > 60 * 2**20
        assert up.stats().held_bytes == 0
    with of(40 * 2**20) as up:
        for given in (file, iter([entry] * 60)):
            ticket = up.submit(given)
            with pytest.raises(UploadFailed, match="no checksum"):
                ticket.result(60)
            assert ticket.fate is Fate.FAILED
        assert up.stats().peak_held_bytes <= 40 * 2**20
        assert up.stats().held_bytes == 0
    assert store.streamed == []
