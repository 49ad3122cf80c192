"""Pipelines: one line of text that parses and prints back; a codec runs both ways; overlap leaves no thread behind."""

from __future__ import annotations

import json
import threading
import zlib
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packhorse.codec import OVERLAP_AFTER_BYTES, OVERLAP_CHUNKS, Tally
from packhorse.errors import CaptureError, CorruptObjectError, ExpansionLimitError, InputError, PipelineError
from packhorse.overlap import ahead
from packhorse.pipeline import COMMON, ORIGINAL, PRESETS, Pipeline
from packhorse.stages import registry
from packhorse.stages.base import Candidate, Setting, Stage
from packhorse.units import exact_bytes
from tests.stages.support import har, stream_of


def _value(setting: Setting) -> st.SearchStrategy[str]:
    if setting.kind == "choice":
        return st.sampled_from(setting.choices)
    if setting.kind == "bool":
        return st.sampled_from(["true", "false"])
    numbers = st.integers(setting.low, setting.high)
    return numbers.map(exact_bytes) if setting.kind == "bytes" else numbers.map(str)


@st.composite
def _choice(draw: st.DrawFn, stage: Stage) -> str:
    row: Candidate = draw(st.sampled_from(registry.candidates(stage)))
    written = []
    for setting in row.settings:
        if draw(st.booleans()):
            value = draw(_value(setting))
            written.append(value if setting.positional else f"{setting.name}={value}")
    return f"{row.name}:{','.join(written)}" if written else row.name


@st.composite
def _pipeline(draw: st.DrawFn) -> str:
    stages = list(Stage) if draw(st.booleans()) else list(Stage)[:3]
    return " | ".join(draw(_choice(stage)) for stage in stages)


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(_pipeline())
def test_a_pipeline_prints_exactly_what_was_written(text: str) -> None:
    pipeline = Pipeline.parse(text)
    assert str(pipeline) == text
    assert Pipeline.parse(str(pipeline)) == pipeline
    assert hash(Pipeline.parse(text)) == hash(pipeline)
    assert Pipeline.parse(text.replace(" | ", "|").replace("=", " = ")) == pipeline


def test_equality_goes_by_the_values_in_force() -> None:
    assert Pipeline.parse("orjson | zlib | raw") == Pipeline.parse("orjson | zlib:6 | raw")
    assert Pipeline.parse("orjson | zlib | raw") == Pipeline.parse("orjson | zlib:level=6 | raw")
    assert Pipeline.parse("orjson | zlib:5 | raw") != Pipeline.parse("orjson | zlib:6 | raw")
    assert Pipeline.parse("orjson-stream:chunk=65536 | none | raw") == Pipeline.parse("orjson-stream | none | raw")
    assert str(Pipeline.parse("orjson | zlib:level=6 | raw")) == "orjson | zlib:6 | raw"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "pipeline"),
        ("orjson", "pipeline"),
        ("orjson | zlib", "pipeline"),
        ("orjson | zlib | raw | boto3 | more", "pipeline"),
        ("orjson || raw", "pipeline"),
        ("orjsn | zlib | raw", "orjsn"),
        ("zlib | orjson | raw", "zlib"),
        ("orjson | zlib:10 | raw", "10"),
        ("orjson | zlib:0 | raw", "zlib:level"),
        ("orjson | zlib:fast | raw", "fast"),
        ("orjson | zlib:6,level=6 | raw", "twice"),
        ("orjson | zlib:speed=6 | raw", "speed"),
        ("orjson | none:1 | raw", "none"),
        ("orjson-stream:chunk=0 | none | raw", "chunk"),
        ("orjson-stream:chunk=12QiB | none | raw", "12QiB"),
        ("orjson | zstd:-51 | raw", "-51"),
        ("orjson | none | raw | boto3:pool=0", "pool"),
    ],
)
def test_what_does_not_follow_the_grammar_is_named(text: str, part: str) -> None:
    with pytest.raises(InputError, match=part.replace("|", r"\|")):
        Pipeline.parse(text)


def test_presets_are_the_two_designs() -> None:
    assert Pipeline.parse("original") == Pipeline.parse(ORIGINAL)
    assert Pipeline.parse("common") == Pipeline.parse(COMMON)
    assert {Pipeline.parse(name).wire for name in PRESETS} == {("json", "zlib", "base64"), ("json", "gzip", "raw")}


def test_the_original_design_is_json_in_zlib_in_base64() -> None:
    capture = har(5)
    stored = b"".join(Pipeline.parse("original").encode(capture))
    assert json.loads(zlib.decompress(b64decode(stored, validate=True))) == capture


@pytest.mark.parametrize("compressor", [row.name for row in registry.candidates(Stage.COMPRESS)])
@pytest.mark.parametrize("encoder", ["json-iterencode:chunk=64", "orjson", "ndjson-msgspec", "msgpack-ormsgpack"])
@pytest.mark.needs("json | none | base64-pybase64")
def test_pipelines_run_both_ways(encoder: str, compressor: str) -> None:
    pipeline = Pipeline.parse(f"{encoder} | {compressor} | base64-pybase64")
    capture = har(6)
    codec = pipeline.codec()
    for _ in range(2):
        stored = list(codec.encode(capture))
        assert codec.decode(stored) == capture
    assert (
        codec.decode(codec.encode(stream_of(iter(capture["log"]["entries"]))))["log"]["entries"]
        == (capture["log"]["entries"])
    )
    with pytest.raises(CorruptObjectError):
        pipeline.decode([b"".join(stored)[: len(stored[0]) // 2]])


@pytest.mark.needs("orjson-stream | zstd:3 | base64-stdlib")
def test_the_tally_counts_and_hashes_the_plain_capture() -> None:
    capture = har(3)
    tally = Tally(digest=sha256())
    codec = Pipeline.parse("orjson-stream:chunk=999 | zstd:3 | base64-stdlib").codec()
    stored = b"".join(codec.encode(capture, tally=tally))
    plain = b"".join(codec.plain([stored]))
    assert tally.plain_bytes == len(plain)
    assert tally.crc32 == crc32(plain)
    assert tally.hexdigest() == sha256(plain).hexdigest()


@pytest.mark.needs("orjson | zstd:1 | raw")
def test_expansion_is_limited() -> None:
    codec = Pipeline.parse("orjson | zstd:1 | raw").codec()
    stored = list(codec.encode({"a": "x" * 5_000_000}))
    with pytest.raises(ExpansionLimitError):
        codec.decode(stored, limit_bytes=1_000_000)
    assert codec.decode(stored, limit_bytes=5_000_008) == {"a": "x" * 5_000_000}


def _large_entries(count: int, *, fail_at: int | None = None) -> Iterator[Any]:
    body = "some text that compresses " * 2000
    for index in range(count):
        if index == fail_at:
            yield {"bad": object()}
        yield {"i": index, "body": body}


def _encoder_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "packhorse-encode"]


@pytest.mark.parametrize("encoder", ["orjson-stream", "msgspec-stream", "ndjson-orjson", "msgpack-msgspec"])
@pytest.mark.needs("json | zstd:1 | raw")
def test_a_large_capture_is_the_same_with_and_without_overlap(encoder: str) -> None:
    codec = Pipeline.parse(f"{encoder} | zstd:1 | raw").codec()
    entries = list(_large_entries(200))
    apart = b"".join(codec.encode(stream_of(entries), overlap=True))
    assert apart == b"".join(codec.encode(stream_of(entries), overlap=False))
    assert not _encoder_threads()
    assert codec.decode([apart])["log"]["entries"] == entries


@pytest.mark.needs("orjson-stream | zstd:1 | raw")
def test_an_error_in_the_encoders_thread_surfaces_in_its_place() -> None:
    codec = Pipeline.parse("orjson-stream | zstd:1 | raw").codec()
    got: list[bytes] = []
    with pytest.raises(CaptureError, match=r"log\.entries\[180\]"):
        got.extend(codec.encode(stream_of(_large_entries(300, fail_at=180))))
    assert not _encoder_threads()
    good = {"a": [1, 2, 3]}
    assert codec.decode(codec.encode(good)) == good


@pytest.mark.needs("orjson-stream | none | raw")
def test_closing_early_leaves_no_thread() -> None:
    codec = Pipeline.parse("orjson-stream | none | raw").codec()
    stream = ahead(codec.encoder.encode(stream_of(_large_entries(2000))), after_bytes=OVERLAP_AFTER_BYTES, depth=2)
    read = 0
    for chunk in stream:
        read += len(chunk)
        if read > OVERLAP_AFTER_BYTES + 1_000_000:
            break
    assert _encoder_threads()
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    assert not _encoder_threads()


def test_the_encoder_runs_ahead_by_a_bounded_number_of_chunks() -> None:
    made = 0

    def chunks() -> Iterator[bytes]:
        nonlocal made
        for _ in range(100):
            made += 1
            yield b"x" * 1000

    read = 0
    for _ in ahead(chunks(), after_bytes=5000, depth=OVERLAP_CHUNKS):
        read += 1
        # One more is finished and waits for room.
        assert made <= read + OVERLAP_CHUNKS + 1
    assert read == made == 100


@pytest.mark.needs("orjson-stream | zstd:1 | raw")
def test_a_small_capture_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    codec = Pipeline.parse("orjson-stream | zstd:1 | raw").codec()
    assert b"".join(codec.encode(har(20)))


def test_choices_tell_their_settings() -> None:
    pipeline = Pipeline.parse("orjson-stream | zstd:1,threads=2 | raw | obstore:pool=64")
    assert pipeline.compress.setting("threads") == 2
    assert pipeline.compress.setting("level") == 1
    assert pipeline.store is not None
    assert pipeline.store.setting("pool") == 64
    with pytest.raises(PipelineError, match="pool"):
        pipeline.compress.setting("pool")
    assert pipeline.cpu == Pipeline.parse("orjson-stream | zstd:1,threads=2 | raw")
    assert pipeline.cpu.store is None
