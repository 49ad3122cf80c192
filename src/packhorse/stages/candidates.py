"""The registry's rows: every candidate of every stage, as data.

A new candidate is one module, one row here, and one extra in ``pyproject.toml``. The order is the order of tables.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from packhorse.stages.base import DEFAULT_CHUNK_BYTES, Candidate, Setting, Stage
from packhorse.units import MIB

_ENCODE = "packhorse.stages.encode."
_COMPRESS = "packhorse.stages.compress."
_BASE64 = "packhorse.stages.base64."
_STORES = "packhorse.stores."

#: Bytes a streaming encoder gathers before it hands a chunk on.
_CHUNK = Setting("chunk", DEFAULT_CHUNK_BYTES, "bytes", 1, 64 * MIB, about="bytes per chunk handed to the compressor")


#: The original design handed every piece on as it came: one byte is already a full chunk.
_EVERY_PIECE = replace(_CHUNK, default=1)


#: Whole encoders hand their one result on as it is, as programs that call them do; a smaller chunk cuts it up.
_WHOLE = replace(_CHUNK, default=_CHUNK.high, about="bytes its one result is cut to; by default it is handed on whole")
_POOL = Setting("pool", 10, "int", 1, 20_480, about="the most connections kept open")


def _level(default: int, low: int, high: int) -> Setting:
    return Setting("level", default, "int", low, high, positional=True, about="higher is smaller")


_THREADS = Setting("threads", 0, "int", 0, 64, about="worker threads inside the library; 0 compresses in the caller's")

_ENCODERS = (
    Candidate(
        "json",
        Stage.ENCODE,
        _ENCODE + "json_dumps",
        "json.dumps, whole",
        wire="json",
        streaming=False,
        settings=(_WHOLE,),
    ),
    Candidate(
        "json-iterencode",
        Stage.ENCODE,
        _ENCODE + "json_iterencode",
        "json.JSONEncoder.iterencode: the original design",
        wire="json",
        settings=(_EVERY_PIECE,),
    ),
    Candidate(
        "simplejson",
        Stage.ENCODE,
        _ENCODE + "simplejson_iterencode",
        "simplejson iterencode, entry by entry",
        wire="json",
        dists=("simplejson",),
        extra="encode",
        settings=(_CHUNK,),
    ),
    Candidate(
        "ujson",
        Stage.ENCODE,
        _ENCODE + "ujson_dumps",
        "ujson.dumps, whole",
        wire="json",
        dists=("ujson",),
        extra="encode",
        streaming=False,
        settings=(_WHOLE,),
    ),
    Candidate(
        "orjson",
        Stage.ENCODE,
        _ENCODE + "orjson_dumps",
        "orjson.dumps, whole",
        wire="json",
        dists=("orjson",),
        extra="encode",
        streaming=False,
        settings=(_WHOLE,),
    ),
    Candidate(
        "orjson-stream",
        Stage.ENCODE,
        _ENCODE + "orjson_stream",
        "orjson, entry by entry",
        wire="json",
        dists=("orjson",),
        extra="encode",
        settings=(_CHUNK,),
    ),
    Candidate(
        "msgspec",
        Stage.ENCODE,
        _ENCODE + "msgspec_json",
        "msgspec.json, whole",
        wire="json",
        dists=("msgspec",),
        extra="encode",
        streaming=False,
        settings=(_WHOLE,),
    ),
    Candidate(
        "msgspec-stream",
        Stage.ENCODE,
        _ENCODE + "msgspec_stream",
        "msgspec.json, entry by entry into one reused buffer",
        wire="json",
        dists=("msgspec",),
        extra="encode",
        settings=(_CHUNK,),
    ),
    Candidate(
        "rapidjson",
        Stage.ENCODE,
        _ENCODE + "rapidjson_dumps",
        "python-rapidjson dumps, whole",
        wire="json",
        dists=("python-rapidjson",),
        extra="encode",
        streaming=False,
        settings=(_WHOLE,),
    ),
    Candidate(
        "rapidjson-stream",
        Stage.ENCODE,
        _ENCODE + "rapidjson_stream",
        "python-rapidjson's stream interface, entry by entry",
        wire="json",
        dists=("python-rapidjson",),
        extra="encode",
        settings=(_CHUNK,),
    ),
    Candidate(
        "json-stream",
        Stage.ENCODE,
        _ENCODE + "json_stream_dump",
        "json-stream's streamable wrappers over the stdlib",
        wire="json",
        dists=("json-stream",),
        extra="encode",
        settings=(_CHUNK,),
    ),
    Candidate(
        "ndjson-orjson",
        Stage.ENCODE,
        _ENCODE + "ndjson_orjson",
        "NDJSON: outline, then one line per entry, orjson",
        wire="ndjson",
        dists=("orjson",),
        extra="encode",
        settings=(_CHUNK,),
    ),
    Candidate(
        "ndjson-msgspec",
        Stage.ENCODE,
        _ENCODE + "ndjson_msgspec",
        "NDJSON, msgspec",
        wire="ndjson",
        dists=("msgspec",),
        extra="encode",
        settings=(_CHUNK,),
    ),
    Candidate(
        "msgpack-msgspec",
        Stage.ENCODE,
        _ENCODE + "msgpack_msgspec",
        "MessagePack, msgspec, entry by entry",
        wire="msgpack",
        dists=("msgspec",),
        extra="encode",
        settings=(_CHUNK,),
    ),
    Candidate(
        "msgpack-ormsgpack",
        Stage.ENCODE,
        _ENCODE + "msgpack_ormsgpack",
        "MessagePack, ormsgpack, entry by entry",
        wire="msgpack",
        dists=("ormsgpack",),
        extra="encode",
        settings=(_CHUNK,),
    ),
)

_COMPRESSORS = (
    Candidate("none", Stage.COMPRESS, _COMPRESS + "identity", "no compression", wire="identity"),
    Candidate(
        "zlib",
        Stage.COMPRESS,
        _COMPRESS + "zlib_std",
        "zlib of the standard library: the original design",
        wire="zlib",
        settings=(_level(6, 1, 9),),
    ),
    Candidate(
        "gzip",
        Stage.COMPRESS,
        _COMPRESS + "gzip_std",
        "gzip of the standard library",
        wire="gzip",
        settings=(_level(6, 1, 9),),
    ),
    Candidate(
        "isal",
        Stage.COMPRESS,
        _COMPRESS + "isal_gzip",
        "Intel ISA-L",
        wire="gzip",
        dists=("isal",),
        extra="compress",
        settings=(_level(1, 0, 3),),
    ),
    Candidate(
        "zlib-ng",
        Stage.COMPRESS,
        _COMPRESS + "zlib_ng_gzip",
        "zlib-ng",
        wire="gzip",
        dists=("zlib-ng",),
        extra="compress",
        settings=(_level(1, 1, 9),),
    ),
    Candidate(
        "libdeflate",
        Stage.COMPRESS,
        _COMPRESS + "libdeflate_gzip",
        "libdeflate, whole buffers only",
        wire="gzip",
        dists=("deflate",),
        extra="compress",
        streaming=False,
        settings=(_level(1, 1, 12),),
    ),
    Candidate(
        "zstd",
        Stage.COMPRESS,
        _COMPRESS + "zstandard_zstd",
        "Zstandard through zstandard",
        wire="zstd",
        dists=("zstandard",),
        extra="compress",
        settings=(_level(1, -50, 19), _THREADS),
    ),
    Candidate(
        "zstd-backports",
        Stage.COMPRESS,
        _COMPRESS + "backports_zstd",
        "Zstandard through the standard library's compression.zstd, or backports.zstd before 3.14",
        wire="zstd",
        dists=() if sys.version_info >= (3, 14) else ("backports.zstd",),
        extra="" if sys.version_info >= (3, 14) else "compress",
        settings=(_level(1, -50, 19), _THREADS),
    ),
    Candidate(
        "brotli",
        Stage.COMPRESS,
        _COMPRESS + "brotli_br",
        "Brotli",
        wire="br",
        dists=("brotli",),
        extra="compress",
        settings=(_level(4, 0, 11),),
    ),
    Candidate(
        "lz4",
        Stage.COMPRESS,
        _COMPRESS + "lz4_frame",
        "LZ4 frames",
        wire="lz4",
        dists=("lz4",),
        extra="compress",
        settings=(_level(0, -50, 12),),
    ),
    Candidate(
        "snappy",
        Stage.COMPRESS,
        _COMPRESS + "cramjam_snappy",
        "framed Snappy through cramjam",
        wire="snappy",
        dists=("cramjam",),
        extra="compress",
    ),
    Candidate(
        "bz2",
        Stage.COMPRESS,
        _COMPRESS + "bz2_std",
        "bzip2 of the standard library",
        wire="bzip2",
        settings=(_level(9, 1, 9),),
    ),
    Candidate(
        "lzma",
        Stage.COMPRESS,
        _COMPRESS + "lzma_std",
        "xz of the standard library",
        wire="xz",
        settings=(_level(1, 0, 9),),
    ),
)

_BASE64S = (
    Candidate("raw", Stage.BASE64, _BASE64 + "raw", "bytes as they are", wire="raw"),
    Candidate("base64-stdlib", Stage.BASE64, _BASE64 + "stdlib", "base64 of the standard library", wire="base64"),
    Candidate(
        "base64-pybase64",
        Stage.BASE64,
        _BASE64 + "pybase64_simd",
        "pybase64 (libbase64, SIMD)",
        wire="base64",
        dists=("pybase64",),
        extra="base64",
    ),
)

_STORE_ROWS = (
    Candidate(
        "boto3",
        Stage.STORE,
        _STORES + "boto3_put",
        "boto3 put_object",
        dists=("boto3",),
        extra="store",
        settings=(_POOL,),
    ),
    Candidate(
        "boto3-transfer",
        Stage.STORE,
        _STORES + "boto3_transfer",
        "boto3 transfer manager, upload_fileobj",
        dists=("boto3",),
        extra="store",
        settings=(_POOL,),
    ),
    Candidate(
        "boto3-crt",
        Stage.STORE,
        _STORES + "boto3_crt",
        "boto3 transfer manager over the AWS Common Runtime",
        dists=("boto3", "awscrt"),
        extra="store",
        settings=(_POOL,),
    ),
    Candidate(
        "aiobotocore",
        Stage.STORE,
        _STORES + "aiobotocore_put",
        "aiobotocore put_object",
        dists=("aiobotocore",),
        extra="store",
        settings=(_POOL,),
        asynchronous=True,
    ),
    Candidate(
        "obstore",
        Stage.STORE,
        _STORES + "obstore_sync",
        "obstore (Rust object_store), sync calls from threads",
        dists=("obstore",),
        extra="store",
        settings=(_POOL,),
    ),
    Candidate(
        "obstore-async",
        Stage.STORE,
        _STORES + "obstore_async",
        "obstore, async calls",
        dists=("obstore",),
        extra="store",
        settings=(_POOL,),
        asynchronous=True,
    ),
    Candidate(
        "memory", Stage.STORE, _STORES + "memory", "keeps objects in this process: a fake for tests and for CPU races"
    ),
)

CANDIDATES: tuple[Candidate, ...] = (*_ENCODERS, *_COMPRESSORS, *_BASE64S, *_STORE_ROWS)
