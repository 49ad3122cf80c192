"""Base64 whose content is searched, and bytes that are no UTF-8."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode

from packhorse.redact.quoting import SPACE, level_of, string_end
from packhorse.redact.values import scalar_at
from packhorse.redact.work import Work
from packhorse.units import MIB

#: First bytes of formats without text worth a scan: PNG, JPEG, GIF, WebP/WAV/AVI, WOFF, WOFF2, Ogg, MP3, MP4/AVIF.
_MAGIC = (
    b"\xff\xfb", b"\xff\xf3", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"wOFF", b"wOF2", b"OggS", b"ID3",
    b"\x1aE\xdf\xa3",
)  # fmt: skip
_MAGIC_FTYP = b"ftyp"
_MEDIA = re.compile(
    rb"mimeType\\*\"" + SPACE + rb":" + SPACE + rb"\\*\"(?:image|font|audio|video|application\\*/(?:x-)?font)",
    re.IGNORECASE,
)
_HEAD_CHARS, _HEAD_BYTES = 24, 256
_NEAR_BYTES = 400
#: Decoded at once: the interpreter's lock is held meanwhile. A multiple of four characters.
_PIECE_CHARS = MIB
_TEXT_KEYS = {b"encoding": (b"text",), b"base64encoded": (b"body",), b"opcode": (b"data", b"payloadData")}
_LABEL = re.compile(rb"(base64encoded|encoding|opcode|base64_string)\\*\"" + SPACE + rb":" + SPACE, re.IGNORECASE)
_KEY = re.compile(rb"\\*\"([\w$-]{1,40})\\*\"" + SPACE + rb":" + SPACE)
_QUOTE = re.compile(rb"(\\*)\"")
_COMMA = re.compile(SPACE + rb"," + SPACE)
_MOST_KEYS = 12


def decide_encoded(work: Work, end: int, _number: int) -> None:
    """An object says that a text in it is base64."""
    data = work.data
    labels = list(_LABEL.finditer(data, max(0, end - 64), end + 32))
    if not labels:
        return
    label = labels[-1]
    name = label[1].lower()
    low = work.seen.get("encoded", 0)
    work.seen["encoded"] = end
    at: int | None = label.end()
    if name != b"base64_string":
        at = _after(data, label.end(), _TEXT_KEYS[name])
        if at is None:
            at = _before(data, label.start(), low, _TEXT_KEYS[name])
    opened = _QUOTE.match(data, at) if at is not None else None
    if opened is not None:
        hide_base64(work, opened.end(), string_end(data, opened.end(), level_of(len(opened[1]))))


def _after(data: bytes, at: int, keys: tuple[bytes, ...]) -> int | None:
    """Where the value of one of the keys begins, among the next keys of an object whose value begins at ``at``."""
    for _ in range(_MOST_KEYS):
        skipped = scalar_at(data, at)
        comma = _COMMA.match(data, skipped.behind) if skipped else None
        key = _KEY.match(data, comma.end()) if comma else None
        if key is None:
            return None
        if key[1] in keys:
            return key.end()
        at = key.end()
    return None


def _before(data: bytes, at: int, low: int, keys: tuple[bytes, ...]) -> int | None:
    """The same among the keys before, no further back than ``low``."""
    for name in keys:
        key = data.rfind(name + b'"', low, at)
        key = key if key >= 0 else data.rfind(name + b"\\", low, at)
        match = _KEY.match(data, data.rfind(b'"', low, key)) if key > 0 else None
        if match is not None and match[1] == name:
            return match.end()
    return None


def hide_base64(work: Work, start: int, end: int) -> None:
    """Base64 text whose content is searched. Text that is no base64 has been searched as it stands, as any other."""
    data = work.data
    head = data[start : start + 2 * _HEAD_CHARS].replace(b"\\/", b"/")[:_HEAD_CHARS]
    if is_media(head) and (
        _MEDIA.search(data, max(0, start - _NEAR_BYTES), start) or _MEDIA.search(data, end, end + _NEAR_BYTES)
    ):
        return
    raw = _decoded(data[start:end])
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
    return raw.startswith(_MAGIC) or raw[4:8] == _MAGIC_FTYP


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
