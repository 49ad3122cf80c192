"""What a plain file's first bytes say: its encoding, and what it looks like when it is not JSON."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from packhorse.captures.readers.encodings import encoding_of
from packhorse.captures.readers.expand import head_of, looks_binary, unknown_binary
from packhorse.captures.readers.limits import READ_BYTES
from packhorse.captures.readers.notes import Notes
from packhorse.captures.readers.source import ChunkReader, Opener, Reader, Window
from packhorse.errors import CaptureError

JSON_SPACE = b" \t\r\n"
_SCALAR_STARTS = b'"-0123456789tfnNI'


@dataclass(frozen=True, slots=True)
class PlainText:
    """UTF-8 text without a byte-order mark.

    Attributes:
        open: Starts a reading of it.
        name: What errors call the file.
        offset: Bytes of the file that lie before it, so that errors can name the file's own offsets.
    """

    open: Opener
    name: str
    offset: int = 0


def plain_text(opener: Opener, name: str, notes: Notes) -> PlainText:
    """Find the encoding, by byte-order mark or by where the NULs are.

    Args:
        opener: Starts a reading of the expanded bytes.
        name: What errors call the file.
        notes: Gets a line when the encoding is anything but UTF-8 without a mark.

    Raises:
        CaptureError: The file is empty.
    """
    head = head_of(opener, 4)
    if not head:
        raise CaptureError("is empty", source=name, position="byte 0")
    encoding, mark_bytes = encoding_of(head)
    if encoding != "utf-8":
        return _recoded(opener, encoding, mark_bytes, name, notes)
    if not mark_bytes:
        return PlainText(opener, name)
    notes.add("begins with a UTF-8 byte-order mark, which is left out")
    return PlainText(lambda: Window(opener(), mark_bytes), name, mark_bytes)


def _recoded(opener: Opener, encoding: str, mark_bytes: int, name: str, notes: Notes) -> PlainText:
    notes.add(f"is {encoding.upper()}; read as UTF-8, and byte offsets count its UTF-8 text")
    return PlainText(lambda: ChunkReader(_recode(Window(opener(), mark_bytes), encoding, name, mark_bytes)), name)


def _recode(reader: Reader, encoding: str, name: str, position: int) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    data = b"-"
    while data:
        data = reader.read(READ_BYTES)
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            where = f"byte {position - pending + error.start}"
            raise CaptureError(f"is not {encoding.upper()} ({error.reason})", source=name, position=where) from None
        position += len(data)
        if text:
            yield text.encode()


def check_beginning(plain: PlainText) -> None:
    """Make sure that the text begins as an object or a list does, and say what it looks like otherwise.

    Raises:
        CaptureError: Nothing but white space, a single scalar, HTML, YAML, binary data, or another text.
        UnavailableError: Binary data, and brotli could not be tried.
    """
    reader, name, offset = plain.open(), plain.name, plain.offset
    while True:
        data = reader.read(READ_BYTES)
        if not data:
            raise CaptureError("holds nothing but white space", source=name, position=f"byte {offset}")
        text = data.lstrip(JSON_SPACE)
        if text:
            break
        offset += len(data)
    if text[:1] in (b"{", b"["):
        return
    position = f"byte {offset + len(data) - len(text)}"
    if looks_binary(text[:4096]):
        raise unknown_binary(name)
    raise CaptureError(_likeness(text), source=name, position=position)


def _likeness(text: bytes) -> str:
    if text.startswith(b"<"):
        return "looks like HTML or XML, not JSON"
    if text.startswith((b"---", b"%YAML", b"interactions:", b"http_interactions:")):
        return "looks like YAML; a cassette has to be recorded, or converted, as JSON"
    if text[0] in _SCALAR_STARTS and (
        text[0] not in b"tfnNI" or text.startswith((b"true", b"false", b"null", b"NaN", b"Inf"))
    ):
        return "begins with a single value; a capture is an object or a list"
    return "is not JSON: it begins with neither { nor ["
