"""MessagePack through ormsgpack."""

from __future__ import annotations

from functools import partial
from typing import Any

import ormsgpack

from packhorse.errors import CorruptObjectError
from packhorse.stages.encode.msgpack import MsgpackEncoder, read_extension

#: ormsgpack does not mind bytes after the object. So it is read as the first of two elements, before a marker: whatever
#: follows the object in its stead is then seen. (0x92: a list of two; 0xc4: 16 bytes of binary data.)
_PAIR, _MARKER = b"\x92", b"packhorse-marker"
_ENDING = b"\xc4\x10" + _MARKER


def _loads(data: bytes) -> Any:
    pair = ormsgpack.unpackb(
        b"".join((_PAIR, data, _ENDING)), ext_hook=read_extension, option=ormsgpack.OPT_NON_STR_KEYS
    )
    if pair[1] != _MARKER:
        raise CorruptObjectError("msgpack: bytes after the end")
    return pair[0]


def make(*, chunk: int) -> MsgpackEncoder:
    """Make the encoder. Keys that are not strings are kept, as msgspec does."""
    dumps = partial(ormsgpack.packb, option=ormsgpack.OPT_NON_STR_KEYS)
    return MsgpackEncoder(dumps, _loads, ormsgpack.Ext, chunk)


def core_version() -> str | None:
    """None: the encoder is ormsgpack's own Rust code."""
    return None
