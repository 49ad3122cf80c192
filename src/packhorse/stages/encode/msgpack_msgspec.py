"""MessagePack through msgspec."""

from __future__ import annotations

import msgspec

from packhorse.stages.encode.msgpack import MsgpackEncoder, read_extension
from packhorse.stages.encode.msgspec_json import core_version

__all__ = ["core_version", "make"]


def make(*, chunk: int) -> MsgpackEncoder:
    """Make the encoder."""
    loads = msgspec.msgpack.Decoder(ext_hook=read_extension).decode
    return MsgpackEncoder(msgspec.msgpack.Encoder().encode, loads, msgspec.msgpack.Ext, chunk)
