"""MessagePack through ormsgpack."""

from __future__ import annotations

from functools import partial

import ormsgpack

from packhorse.stages.encode.msgpack import MsgpackEncoder, read_extension


def make(*, chunk: int) -> MsgpackEncoder:
    """Make the encoder. Keys that are not strings are kept, as msgspec does."""
    dumps = partial(ormsgpack.packb, option=ormsgpack.OPT_NON_STR_KEYS)
    loads = partial(ormsgpack.unpackb, ext_hook=read_extension, option=ormsgpack.OPT_NON_STR_KEYS)
    return MsgpackEncoder(dumps, loads, ormsgpack.Ext, chunk)


def core_version() -> str | None:
    """None: the encoder is ormsgpack's own Rust code."""
    return None
