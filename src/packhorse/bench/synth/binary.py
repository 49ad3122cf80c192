"""Bodies that are bytes: images, fonts and other media, as base64. Random bytes: compressed media do not compress."""

from __future__ import annotations

import base64

from packhorse.bench.synth.draws import Draws

_MAGIC = {
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00",
    "image/gif": b"GIF89a\x01\x00\x01\x00\x80\x00\x00",
    "image/webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    "font/woff2": b"wOF2\x00\x01\x00\x00",
    "font/woff": b"wOFF\x00\x01\x00\x00",
}


def blob(draws: Draws, mime: str, chars: int) -> str:
    """Base64 text of about ``chars`` characters that starts as a file of type ``mime`` does."""
    head = _MAGIC.get(mime, b"")
    count = max(chars * 3 // 4 - len(head), 3)
    return base64.b64encode(head + draws.randbytes(count)).decode("ascii")
