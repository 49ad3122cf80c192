"""Which Unicode encoding a text's first bytes are in."""

from __future__ import annotations

import codecs

# UTF-32-LE begins with UTF-16-LE's mark, so the longer ones come first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
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
#: What a capture's text can begin with. Compressed data may have NULs in the same places.
_BEGINNINGS = b"{[ \t\r\n"


def encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding, ``utf-8`` unless something else shows, and the length of its byte-order mark (0 without one)."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    pattern = tuple(byte == 0 for byte in head[:4])
    found = _NUL_PATTERNS.get(pattern) if len(pattern) == 4 else None
    if found and head[:4].lstrip(b"\0")[0] in _BEGINNINGS:
        return found, 0
    return "utf-8", 0
