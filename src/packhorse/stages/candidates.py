"""The registry's rows: every candidate of every stage, as data.

A new candidate is one module, one row here, and one extra in ``pyproject.toml``. The order is the order of tables.
"""

from __future__ import annotations

from dataclasses import replace

from packhorse.stages.base import DEFAULT_CHUNK_BYTES, Candidate, Setting, Stage
from packhorse.units import MIB

_ENCODE = "packhorse.stages.encode."
_COMPRESS = "packhorse.stages.compress."
_BASE64 = "packhorse.stages.base64."
_STORES = "packhorse.stores."

#: Bytes a streaming encoder gathers before it hands a chunk on; for whole encoders, the size their one result is cut to.
_CHUNK = Setting("chunk", DEFAULT_CHUNK_BYTES, "bytes", 1, 64 * MIB, about="bytes per chunk handed to the compressor")


#: The original design handed every piece on as it came: one byte is already a full chunk.
_EVERY_PIECE = replace(_CHUNK, default=1)


def _encoder(
    name: str,
    module: str,
    about: str,
    *,
    dist: str = "",
    wire: str = "json",
    streaming: bool = True,
    chunk: Setting = _CHUNK,
) -> Candidate:
    dists = (dist,) if dist else ()
    return Candidate(
        name, Stage.ENCODE, _ENCODE + module, about, wire, dists, "encode" if dist else "", streaming, (chunk,)
    )


def _compressor(
    name: str,
    module: str,
    wire: str,
    about: str,
    *,
    level: tuple[int, int, int] | None,
    dist: str = "",
    streaming: bool = True,
    more: tuple[Setting, ...] = (),
) -> Candidate:
    settings = more
    if level is not None:
        default, low, high = level
        settings = (Setting("level", default, "int", low, high, positional=True, about="higher is smaller"), *more)
    dists = (dist,) if dist else ()
    return Candidate(
        name, Stage.COMPRESS, _COMPRESS + module, about, wire, dists, "compress" if dist else "", streaming, settings
    )


def _store(name: str, module: str, about: str, dists: tuple[str, ...], *, asynchronous: bool = False) -> Candidate:
    pool = Setting("pool", 10, "int", 1, 20_480, about="the most connections kept open")
    return Candidate(
        name, Stage.STORE, _STORES + module, about, "", dists, "store", True, (pool,), asynchronous=asynchronous
    )


_THREADS = Setting("threads", 0, "int", 0, 64, about="worker threads inside the library; 0 compresses in the caller's")

CANDIDATES: tuple[Candidate, ...] = (
    # --- encode ------------------------------------------------------------------------------------------------------
    _encoder("json", "json_dumps", "json.dumps, whole", streaming=False),
    _encoder(
        "json-iterencode", "json_iterencode", "json.JSONEncoder.iterencode: the original design", chunk=_EVERY_PIECE
    ),
    _encoder("simplejson", "simplejson_iterencode", "simplejson iterencode, streaming", dist="simplejson"),
    _encoder("ujson", "ujson_dumps", "ujson.dumps, whole", dist="ujson", streaming=False),
    _encoder("orjson", "orjson_dumps", "orjson.dumps, whole", dist="orjson", streaming=False),
    _encoder("orjson-stream", "orjson_stream", "orjson, entry by entry", dist="orjson"),
    _encoder("msgspec", "msgspec_json", "msgspec.json, whole", dist="msgspec", streaming=False),
    _encoder(
        "msgspec-stream",
        "msgspec_stream",
        "msgspec.json, entry by entry into one reused buffer",
        dist="msgspec",
    ),
    _encoder("rapidjson", "rapidjson_dumps", "python-rapidjson dumps, whole", dist="python-rapidjson", streaming=False),
    _encoder("rapidjson-stream", "rapidjson_stream", "python-rapidjson, writing to a stream", dist="python-rapidjson"),
    _encoder(
        "json-stream", "json_stream_dump", "json-stream's streamable wrappers over the stdlib", dist="json-stream"
    ),
    _encoder(
        "ndjson-orjson",
        "ndjson_orjson",
        "NDJSON: outline, then one line per entry, orjson",
        dist="orjson",
        wire="ndjson",
    ),
    _encoder("ndjson-msgspec", "ndjson_msgspec", "NDJSON, msgspec", dist="msgspec", wire="ndjson"),
    _encoder(
        "msgpack-msgspec", "msgpack_msgspec", "MessagePack, msgspec, entry by entry", dist="msgspec", wire="msgpack"
    ),
    _encoder(
        "msgpack-ormsgpack",
        "msgpack_ormsgpack",
        "MessagePack, ormsgpack, entry by entry",
        dist="ormsgpack",
        wire="msgpack",
    ),
    # --- compress ----------------------------------------------------------------------------------------------------
    _compressor("none", "identity", "identity", "no compression", level=None),
    _compressor("zlib", "zlib_std", "zlib", "zlib of the standard library: the original design", level=(6, 1, 9)),
    _compressor("gzip", "gzip_std", "gzip", "gzip of the standard library", level=(6, 1, 9)),
    _compressor("isal", "isal_gzip", "gzip", "Intel ISA-L", level=(1, 0, 3), dist="isal"),
    _compressor("zlib-ng", "zlib_ng_gzip", "gzip", "zlib-ng", level=(1, 1, 9), dist="zlib-ng"),
    _compressor(
        "libdeflate",
        "libdeflate_gzip",
        "gzip",
        "libdeflate, whole buffers only",
        level=(1, 1, 12),
        dist="deflate",
        streaming=False,
    ),
    _compressor(
        "zstd",
        "zstandard_zstd",
        "zstd",
        "Zstandard through zstandard",
        level=(1, -50, 19),
        dist="zstandard",
        more=(_THREADS,),
    ),
    _compressor(
        "zstd-backports",
        "backports_zstd",
        "zstd",
        "Zstandard through backports.zstd",
        level=(1, -50, 19),
        dist="backports.zstd",
        more=(_THREADS,),
    ),
    _compressor("brotli", "brotli_br", "br", "Brotli", level=(4, 0, 11), dist="brotli"),
    _compressor("lz4", "lz4_frame", "lz4", "LZ4 frames", level=(0, -50, 12), dist="lz4"),
    _compressor("snappy", "cramjam_snappy", "snappy", "framed Snappy through cramjam", level=None, dist="cramjam"),
    _compressor("bz2", "bz2_std", "bzip2", "bzip2 of the standard library", level=(9, 1, 9)),
    _compressor("lzma", "lzma_std", "xz", "xz of the standard library", level=(1, 0, 9)),
    # --- base64 ------------------------------------------------------------------------------------------------------
    Candidate("raw", Stage.BASE64, _BASE64 + "raw", "bytes as they are", "raw"),
    Candidate("base64-stdlib", Stage.BASE64, _BASE64 + "stdlib", "base64 of the standard library", "base64"),
    Candidate(
        "base64-pybase64",
        Stage.BASE64,
        _BASE64 + "pybase64_simd",
        "pybase64 (libbase64, SIMD)",
        "base64",
        ("pybase64",),
        "base64",
    ),
    # --- store -------------------------------------------------------------------------------------------------------
    _store("boto3", "boto3_put", "boto3 put_object", ("boto3",)),
    _store("boto3-transfer", "boto3_transfer", "boto3 transfer manager, upload_fileobj", ("boto3",)),
    _store("boto3-crt", "boto3_crt", "boto3 transfer manager over the AWS Common Runtime", ("boto3", "awscrt")),
    _store("aiobotocore", "aiobotocore_put", "aiobotocore put_object", ("aiobotocore",), asynchronous=True),
    _store("obstore", "obstore_sync", "obstore (Rust object_store), sync calls from threads", ("obstore",)),
    _store("obstore-async", "obstore_async", "obstore, async calls", ("obstore",), asynchronous=True),
    Candidate(
        "memory", Stage.STORE, _STORES + "memory", "keeps objects in this process: a fake for tests and for CPU races"
    ),
)
