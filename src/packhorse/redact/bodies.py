"""Bodies: text by its media type, base64 decoded, searched and encoded again."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode

from packhorse.redact.context import Context

#: First bytes of formats without text worth a scan: PNG, JPEG, GIF, WebP/WAV/AVI, WOFF, WOFF2, Ogg, MP3, MP4/AVIF.
_MAGIC = (
    b"\xff\xfb",
    b"\xff\xf3",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"wOFF",
    b"wOF2",
    b"OggS",
    b"ID3",
    b"\x1aE\xdf\xa3",
)
_MAGIC_FTYP = b"ftyp"
_MEDIA = ("image/", "font/", "audio/", "video/", "application/font", "application/x-font")
_HEAD_CHARS = 24
_HEAD_BYTES = 256


def is_media(text: str, mime: str) -> bool:
    """Base64 of an image, font, sound or film: declared as one *and* beginning like one. SVG is text and is none."""
    if not mime.startswith(_MEDIA):
        return False
    try:
        head = binascii.a2b_base64(text[:_HEAD_CHARS])
    except (binascii.Error, ValueError):
        return False
    return head.startswith(_MAGIC) or head[4:8] == _MAGIC_FTYP


def redact_base64(ctx: Context, text: str, mime: str, depth: int) -> str:
    """Base64 text whose content is searched; the same object when nothing was found.

    Text that is no base64 is searched as it stands: a wrong label hides nothing.
    """
    if is_media(text, mime):
        return text
    try:
        raw = b64decode(text, validate=len(text) < 1 or not any(c in text for c in "\r\n"))
    except (binascii.Error, ValueError):
        return ctx.text(text, mime, depth)
    new = redact_bytes(ctx, raw, mime, depth)
    return text if new is raw else b64encode(new).decode()


def redact_bytes(ctx: Context, raw: bytes, mime: str, depth: int) -> bytes:
    """Bytes as UTF-16 or UTF-8, or as Latin-1, which maps every byte to itself, when they are neither."""
    codec = _utf16(raw)
    if codec is None:
        if not ctx.scan_bytes(raw) and not ctx.always:
            return raw
        codec = "utf-8"
    try:
        text = raw.decode(codec, "strict" if codec == "utf-8" else "surrogatepass")
    except UnicodeDecodeError:
        codec = "latin-1"
        text = raw.decode(codec)
    new = ctx.text(text, mime, depth)
    return raw if new == text else new.encode(codec, "surrogatepass" if codec != "latin-1" else "replace")


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
