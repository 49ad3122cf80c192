"""Base64 of a stream: three bytes become four characters, so up to two bytes wait for the next chunk."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Iterator

from packhorse.errors import CorruptObjectError
from packhorse.stages.base import MAX_DECODED_CHUNK_BYTES
from packhorse.stages.compress.streams import sliced

#: From this size on, the waiting bytes are encoded apart so that the chunk need not be copied behind them.
_LARGE_BYTES = 4096


class Base64:
    """Standard alphabet, padded, no newlines (RFC 4648, section 4).

    Args:
        encode: Whole groups of three bytes (the last may be shorter) to base64.
        decode: Whole groups of four characters to bytes; raises ``binascii.Error`` on anything outside the alphabet.
    """

    def __init__(self, encode: Callable[[bytes | memoryview], bytes], decode: Callable[[bytes], bytes]) -> None:
        self._encode = encode
        self._decode = decode

    def forward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Encode as a stream; the same bytes come out whatever the chunks' sizes."""
        encode = self._encode
        carry = b""
        for chunk in chunks:
            if len(chunk) >= _LARGE_BYTES:
                start = -len(carry) % 3
                if carry:
                    yield encode(carry + chunk[:start])
                whole = start + (len(chunk) - start) // 3 * 3
                yield encode(memoryview(chunk)[start:whole])
                carry = chunk[whole:]
            else:
                data = carry + chunk
                whole = len(data) // 3 * 3
                if whole:
                    yield encode(data[:whole])
                carry = data[whole:]
        if carry:
            yield encode(carry)

    def backward(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Decode strictly. Raises CorruptObjectError: a foreign character, wrong padding, a group cut short."""
        carry = b""
        ended = False
        for piece in sliced(chunks, MAX_DECODED_CHUNK_BYTES):
            data = carry + piece if carry else piece
            whole = len(data) // 4 * 4
            carry = data[whole:]
            if not whole:
                continue
            if ended:
                raise CorruptObjectError("base64: characters after the padding")
            groups = data[:whole] if carry else data
            yield self._undo(groups)
            ended = groups.endswith(b"=")
        if carry:
            what = "characters after the padding" if ended else "truncated within a group of four"
            raise CorruptObjectError(f"base64: {what}")

    def _undo(self, groups: bytes) -> bytes:
        try:
            out = self._decode(groups)
        except binascii.Error as error:
            raise CorruptObjectError(f"base64: damaged ({error})") from error
        # Padded groups have bits to spare: anything but zero there was not written by an encoder.
        if groups.endswith(b"=") and self._encode(out[-(len(out) % 3) :]) != groups[-4:]:
            raise CorruptObjectError("base64: damaged, stray bits before the padding")
        return out
