"""What a plain file's first bytes say: its encoding, and what it looks like when it is not JSON."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from packhorse.captures.readers.expand import head_of, looks_binary, unknown_binary
from packhorse.captures.readers.limits import READ_BYTES
from packhorse.captures.readers.notes import Notes
from packhorse.captures.readers.source import ChunkReader, Opener, Reader, Window
from packhorse.errors import CaptureError

JSON_SPACE = b" \t\r\n"
# UTF-32-LE begins with UTF-16-LE's mark, so the longer ones come first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Where the NULs lie among the first four bytes, as a JSON text begins with two ASCII characters (RFC 4627, section 3).
_NUL_PATTERNS = {
    (True, True, True, False): "utf-32-be",
    (True, False, True, False): "utf-16-be",
    (False, True, True, True): "utf-32-le",
    (False, True, False, True): "utf-16-le",
}
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
    if head.startswith(codecs.BOM_UTF8):
        notes.add("begins with a UTF-8 byte-order mark, which is left out")
        mark_bytes = len(codecs.BOM_UTF8)
        return PlainText(lambda: Window(opener(), mark_bytes), name, mark_bytes)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return _recoded(opener, encoding, len(mark), name, notes)
    pattern = tuple(byte == 0 for byte in head)
    found = _NUL_PATTERNS.get(pattern) if len(pattern) == 4 else None
    if found:
        return _recoded(opener, found, 0, name, notes)
    return PlainText(opener, name)


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
