"""Base64 whose content is searched, and bytes that are no UTF-8."""

from __future__ import annotations

import binascii
import re
import string
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator

from packhorse.redact.quoting import COMMA, OPENED, SPACE, level_of, string_end
from packhorse.redact.values import scalar_at
from packhorse.redact.work import Work
from packhorse.units import KIB, MIB

#: First bytes of formats without text worth a scan: PNG, JPEG, GIF, icons, TrueType, MP3, WebM, WebP, WAV, AVI, Ogg,
#: FLAC, WOFF, OpenType, BMP, MP4/AVIF. Letters that could begin a text count with what follows them there alone.
_MAGIC = re.compile(
    rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|\x00\x00\x01\x00|\x00\x01\x00\x00|\xff[\xfb\xf3]|ID3[\x00-\x10]|\x1aE\xdf\xa3|"
    rb"RIFF.{4}(?:WEBP|WAVE|AVI )|OggS\x00|fLaC[\x00\x80]\x00|wOF[F2](?:\x00\x01\x00\x00|OTTO|true)|OTTO\x00|"
    rb"BM.{4}\x00{4}|\x00.{3}ftyp",
    re.DOTALL,
)
_MEDIA = re.compile(
    rb"mimeType\\*\"" + SPACE + rb":" + SPACE + rb"\\*\"(?:image|font|audio|video|application\\*/(?:x-)?font)",
    re.IGNORECASE,
)
_HEAD_CHARS, _HEAD_BYTES = 24, 256
_STEP_BYTES = 8 * KIB
_NEAR_BYTES = 400
#: Decoded at once: the interpreter's lock is held meanwhile. A multiple of four characters.
_PIECE_CHARS = MIB
_TEXT_KEYS = {b"encoding": (b"text",), b"base64encoded": (b"body",), b"opcode": (b"data", b"payloadData")}
_LABEL = re.compile(rb"(base64encoded|encoding|opcode|base64_string)\\*\"" + SPACE + rb":" + SPACE, re.IGNORECASE)
#: As our encoders write it.
_COMPACT_LABEL, _TEXT_KEY = b'"encoding":"base64', b'"text":"'
_QUOTE_SIGN = 34
#: What base64 begins with, escapes and line ends included.
_FIRST_SIGNS = frozenset(bytes((sign,)) for sign in (string.ascii_letters + string.digits + "+/\\\r\n").encode())
_KEY = re.compile(rb"\\*\"([\w$-]{1,40})\\*\"" + SPACE + rb":" + SPACE)
_MOST_KEYS = 12


def decide_encoded(work: Work, end: int, _number: int) -> None:
    """An object says that a text in it is base64."""
    data = work.data
    low = work.seen.get("encoded", 0)
    if data.startswith(_COMPACT_LABEL, end - len(_COMPACT_LABEL)) and data.startswith(b'"}', end):
        work.seen["encoded"] = end
        start = _compact_body(data, end - len(_COMPACT_LABEL), low)
        if start is not None:
            hide_base64(work, start, string_end(data, start, 0))
        return
    labels = list(_LABEL.finditer(data, max(0, end - 64), end + 32))
    if not labels:
        return
    label = labels[-1]
    name = label[1].lower()
    work.seen["encoded"] = end
    at: int | None = label.end()
    if name != b"base64_string":
        at = text_after(data, label.end(), _TEXT_KEYS[name])
        if at is None:
            at = text_before(data, label.start(), low, _TEXT_KEYS[name])
    opened = OPENED.match(data, at) if at is not None else None
    if opened is not None:
        hide_base64(work, opened.end(), string_end(data, opened.end(), level_of(len(opened[1]))))


def _compact_body(data: bytes, label: int, low: int) -> int | None:
    """Where the text begins before a label that ends an object; no further back than ``low``."""
    # Mostly the text comes last; a search for its key would read all of it.
    start = data.rfind(b'"', low, label - 2) + 1
    if start and data.startswith(_TEXT_KEY, start - len(_TEXT_KEY)) and data[label - 2] == _QUOTE_SIGN:
        return start
    at = text_before(data, label, low, _TEXT_KEYS[b"encoding"])
    opened = OPENED.match(data, at) if at is not None else None
    return opened.end() if opened is not None and not opened[1] else None


def text_after(data: bytes, at: int, keys: tuple[bytes, ...]) -> int | None:
    """Where the value of one of the keys begins, among the next keys of an object whose value begins at ``at``."""
    for _ in range(_MOST_KEYS):
        skipped = scalar_at(data, at)
        comma = COMMA.match(data, skipped.behind) if skipped else None
        key = _KEY.match(data, comma.end()) if comma else None
        if key is None:
            return None
        if key[1] in keys:
            return key.end()
        at = key.end()
    return None


def text_before(data: bytes, at: int, low: int, keys: tuple[bytes, ...]) -> int | None:
    """The same among the keys before, no further back than ``low``."""
    for name in keys:
        key = data.rfind(name + b'"', low, at)
        key = key if key >= 0 else data.rfind(name + b"\\", low, at)
        match = _KEY.match(data, data.rfind(b'"', low, key)) if key > 0 else None
        if match is not None and match[1] == name:
            return match.end()
    return None


def media_bodies(data: bytes, only_base64: Callable[[memoryview], bool]) -> Iterator[tuple[int, int]]:
    """Where images, fonts, sound and films stand in JSON text as base64: most of what is longer than two steps.

    They hold half the bytes of what browsers record, and nothing that a scan could find.
    """
    at, size = 0, len(data)
    while at < size:
        # Text has a quote every few dozen bytes, so that a look at each step costs next to nothing.
        if data.find(b'"', at, at + _STEP_BYTES) >= 0:
            at += _STEP_BYTES
            continue
        start, end = data.rfind(b'"', 0, at) + 1, data.find(b'"', at)
        if end < 0:
            return
        if _is_media_body(data, start, end) and only_base64(memoryview(data)[start:end]):
            yield start, end
        at = end


def _is_media_body(data: bytes, start: int, end: int) -> bool:
    """Text that begins like a picture or the like in base64, beside a media type that says so."""
    head = data[start : start + 2 * _HEAD_CHARS].replace(b"\\/", b"/")[:_HEAD_CHARS]
    if not is_media(head):
        return False
    before = data.rfind(b"mimeType", max(0, start - _NEAR_BYTES), start)
    behind = data.find(b"mimeType", end, end + _NEAR_BYTES)
    return any(at >= 0 and _MEDIA.match(data, at) is not None for at in (before, behind))


def hide_base64(work: Work, start: int, end: int) -> None:
    """Base64 text whose content is searched. Text that is no base64 has been searched as it stands, as any other."""
    # Mostly the first sign tells.
    if work.data[start : start + 1] not in _FIRST_SIGNS or _is_media_body(work.data, start, end):
        return
    raw = _decoded(work.data[start:end])
    if raw is None:
        return
    new = redact_bytes(work, raw)
    if new is not raw:
        work.write(start, end, b"".join(b64encode(new[at : at + 3 * MIB]) for at in range(0, len(new), 3 * MIB)))


def is_media(head: bytes) -> bool:
    """Base64 that begins like an image, a font, sound or a film."""
    try:
        raw = binascii.a2b_base64(head)
    except (binascii.Error, ValueError):
        return False
    return _MAGIC.match(raw) is not None


def _decoded(text: bytes) -> bytes | None:
    if b"\\" in text:
        text = re.sub(rb"\\+[nrt]", b"", text).replace(b"\\/", b"/")
    if any(sign in text for sign in b"\r\n"):
        text = text.translate(None, b"\r\n")
    if not text or len(text) % 4 == 1:
        return None
    try:
        return b"".join(
            b64decode(text[at : at + _PIECE_CHARS], validate=True) for at in range(0, len(text), _PIECE_CHARS)
        )
    except (binascii.Error, ValueError):
        return None


def redact_bytes(work: Work, raw: bytes) -> bytes:
    """Bytes without their secrets, read as UTF-16 when they look like it; the same object when nothing is secret."""
    codec = _utf16(raw)
    if codec is None:
        return work.inner(raw).result()
    try:
        text = raw.decode(codec, "surrogatepass").encode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return work.inner(raw).result()
    new = work.inner(text).result()
    return raw if new is text else new.decode("utf-8", "surrogatepass").encode(codec, "surrogatepass")


def _utf16(raw: bytes) -> str | None:
    """The codec of bytes that look like UTF-16: a byte-order mark, or zeros in every second place."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    head = raw[:_HEAD_BYTES]
    if b"\x00" not in head:
        return None
    for codec, offset in (("utf-16-le", 1), ("utf-16-be", 0)):
        zeros = head[offset::2]
        if zeros and zeros.count(0) * 4 >= len(zeros) * 3 and head[1 - offset :: 2].count(0) * 4 < len(zeros):
            return codec
    return None
