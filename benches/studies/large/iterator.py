"""A capture that never exists whole, from an iterator of entries: sent while it is encoded, in little memory."""

from __future__ import annotations

import gc
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from benches.studies.blocks import begin_peak
from packhorse.bench.race.memory import peak_rss_bytes
from packhorse.bench.synth import sized
from packhorse.checksum import written
from packhorse.codec import Tally
from packhorse.fetching import fetch
from packhorse.model import har_stream, materialized
from packhorse.profiles.loading import load_profile
from packhorse.redact import Redactor
from packhorse.stores.base import Endpoint, ObjectInfo
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader

HOWS = ("not redacting", "redacting")
PARTS = ("encode", "send", "uploader")
ARMS = tuple(f"{part}, {how}" for how in HOWS for part in PARTS)
#: Of different entries; they come again until the capture has its size.
DIFFERENT_BYTES = 10_000_000
#: Uploaded and compared before the clock starts.
_CHECKED_ENTRIES = 50


@dataclass(frozen=True, slots=True)
class Spec:
    """One block: where the capture goes, and the order of the arms."""

    endpoint: Endpoint
    order: tuple[str, ...]
    capture_bytes: int
    seed: int


@dataclass(frozen=True, slots=True)
class Timed:
    """One arm in one block: seconds, and resident bytes at its peak above those before."""

    arm: str
    wall_s: float
    peak_bytes: int


def run_block(spec: Spec) -> list[Timed]:
    """Run every arm once. What the uploader stores is compared with what encoding gives before anything is timed."""
    entries = materialized(sized(DIFFERENT_BYTES, spec.seed, "browser"))["log"]["entries"]
    count = len(entries) * spec.capture_bytes // DIFFERENT_BYTES

    def capture() -> Iterator[Any]:
        for number in range(count):
            yield entries[number % len(entries)]

    timed = []
    for arm in spec.order:
        part, _, how = arm.partition(", ")
        gc.collect()
        timed.append(_ARMS[part](arm, spec, capture, how == "redacting"))
    return timed


def _redactor(*, redact: bool) -> Redactor | None:
    """All arms with the same key, or they would encode different bytes; made and warm before the clock starts."""
    if not redact:
        return None
    redactor = Redactor(key=b"study")
    redactor.entry({"password": "warm"})
    return redactor


def _encoded(capture: Callable[[], Iterator[Any]], redactor: Redactor | None, tally: Tally) -> Iterator[bytes]:
    stream: Any = har_stream(capture())
    return load_profile().pipeline.codec().encode(redactor.capture(stream) if redactor else stream, tally=tally)


def _encode(arm: str, spec: Spec, capture: Callable[[], Iterator[Any]], redact: bool) -> Timed:
    del spec
    redactor = _redactor(redact=redact)
    return _timed(arm, lambda: deque(_encoded(capture, redactor, Tally()), 0))


def _send(arm: str, spec: Spec, capture: Callable[[], Iterator[Any]], redact: bool) -> Timed:
    chunks = list(_encoded(capture, _redactor(redact=redact), Tally()))
    pipeline = load_profile().pipeline
    assert pipeline.store is not None
    store = pipeline.store.make(endpoint=spec.endpoint)
    try:
        store.put("large/first", b"x", ObjectInfo())
        return _timed(arm, lambda: store.put_stream("large/alone", iter(chunks), ObjectInfo()))
    finally:
        store.close()


def _upload(arm: str, spec: Spec, capture: Callable[[], Iterator[Any]], redact: bool) -> Timed:
    redactor = _redactor(redact=redact)
    url = f"s3://{spec.endpoint.bucket}/large"
    with Uploader(url, redact=redactor or False, options=UploaderOptions(endpoint=spec.endpoint)) as up:
        receipt = up.upload(islice(capture(), _CHECKED_ENTRIES))
        tally = Tally()
        deque(_encoded(lambda: islice(capture(), _CHECKED_ENTRIES), redactor, tally), 0)
        if (receipt.plain_bytes, receipt.crc32) != (tally.plain_bytes, written(tally.crc32)):
            raise AssertionError(f"{receipt.url} was encoded otherwise than its parts encode it")
        if fetch(receipt.url, endpoint=spec.endpoint)["log"]["entries"] != _given(capture, redactor):
            raise AssertionError(f"{receipt.url} does not hold the entries it was given")
        gc.collect()
        return _timed(arm, lambda: up.upload(capture()))


def _given(capture: Callable[[], Iterator[Any]], redactor: Redactor | None) -> list[Any]:
    return [redactor.entry(entry) if redactor else entry for entry in islice(capture(), _CHECKED_ENTRIES)]


_ARMS: dict[str, Callable[[str, Spec, Callable[[], Iterator[Any]], bool], Timed]] = {
    "encode": _encode,
    "send": _send,
    "uploader": _upload,
}


def _timed(arm: str, work: Callable[[], object]) -> Timed:
    before = begin_peak()
    begun_s = time.perf_counter()
    work()
    return Timed(arm, time.perf_counter() - begun_s, peak_rss_bytes() - before)


def figures(rows: list[Timed]) -> dict[str, Any]:
    """By whether it redacts: medians, the ratio within blocks to the slower of the parts, and the highest peak."""
    found = {}
    for how in HOWS:
        by_part = {part: [row for row in rows if row.arm == f"{part}, {how}"] for part in PARTS}
        ratios = [
            whole.wall_s / max(encode.wall_s, send.wall_s)
            for encode, send, whole in zip(by_part["encode"], by_part["send"], by_part["uploader"], strict=True)
        ]
        found[how] = {
            **{f"{part}_s": statistics.median(row.wall_s for row in by_part[part]) for part in PARTS},
            "uploader_over_the_slower": {
                "median": statistics.median(ratios),
                "min": min(ratios),
                "max": max(ratios),
            },
            "uploader_peak_bytes": max(row.peak_bytes for row in by_part["uploader"]),
        }
    return found
