"""What the benches run, as data: captures, levels worth a row, and what takes too long to be timed over and over."""

from __future__ import annotations

from dataclasses import dataclass

from packhorse.stages import registry
from packhorse.stages.base import Stage

SEED = 20_240_101


@dataclass(frozen=True, slots=True)
class Size:
    """A capture size: the name in a bench's id, and the bytes of compact JSON aimed at."""

    name: str
    target_bytes: int


SIZES = (Size("20KB", 20_000), Size("1MB", 1_000_000), Size("20MB", 20_000_000))
#: With ``--quick``.
QUICK_SIZES = (SIZES[1],)

#: Seconds per MB above which a candidate is left out of the largest size (measured once on 2 cores; an order of
#: magnitude is enough): each bench repeats its work several times.
SLOW = frozenset(
    {"lzma:1", "lzma:6", "bz2:9", "brotli:9", "brotli:11", "zstd:19", "zstd-backports:19", "libdeflate:12"}
)
#: Left out of the middle size too with ``--quick``.
VERY_SLOW = frozenset({"brotli:11", "lzma:6", "zstd:19", "zstd-backports:19"})
LARGEST_SLOW_BYTES = 2_000_000

#: Settings beyond the defaults that get a row of their own.
MORE_LEVELS: dict[str, tuple[str, ...]] = {
    "zlib": ("1", "9"),
    "gzip": ("1",),
    "isal": ("0", "3"),
    "zlib-ng": ("6",),
    "libdeflate": ("6", "12"),
    "zstd": ("-5", "3", "6", "19"),
    "zstd-backports": ("3", "19"),
    "brotli": ("1", "9", "11"),
    "lz4": ("9",),
    "lzma": ("6",),
}
#: Encoders whose chunk size is a story of its own (bytes).
CHUNKS: dict[str, tuple[str, ...]] = {"json-iterencode": ("chunk=256KiB",), "orjson-stream": ("chunk=16KiB",)}
#: Chunk sizes that compressors are fed with: the original design's tiny pieces, and the default.
FED_CHUNK_BYTES = (64, 256 * 1024)
#: Feeding 64-byte pieces says the same at one size.
TINY_CHUNK_SIZE = "1MB"

#: Whole CPU pipelines: the two presets, and what races have found good.
PIPELINES = (
    "json-iterencode | zlib:6 | base64-stdlib",
    "orjson | gzip:6 | raw",
    "orjson | zstd:1 | raw",
    "orjson-stream | zstd:1 | raw",
    "orjson-stream | zstd:-5 | raw",
    "orjson-stream | isal:1 | raw",
    "orjson-stream | lz4 | raw",
    "msgspec-stream | zstd:1 | raw",
    "ndjson-orjson | zstd:1 | raw",
    "msgpack-ormsgpack | zstd:1 | raw",
    "orjson-stream | zstd:1 | base64-pybase64",
)


def choices(stage: Stage, more: dict[str, tuple[str, ...]]) -> list[str]:
    """Every candidate of a stage as it is written in a pipeline: its default, then the settings in ``more``."""
    texts = []
    for row in registry.candidates(stage):
        default = next((setting.default for setting in row.settings if setting.positional), None)
        texts.append(row.name if default is None else f"{row.name}:{default}")
        texts += [f"{row.name}:{value}" for value in more.get(row.name, ())]
    return texts
