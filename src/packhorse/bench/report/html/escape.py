"""Hostile text made inert: shown as it is, never read as markup, script or style."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

#: Characters that hide, reorder or break text, and halves of surrogate pairs, which no file can hold.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
#: Written as escapes inside a script element, so that no text can end it or open a comment in it.
_MARKUP = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def visible(text: str) -> str:
    r"""``text`` with characters that cannot be seen, or that turn text around, written as ``\u202e``."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def visible_data(value: Any) -> Any:
    """:func:`visible` on every text inside JSON data, keys included."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(key): visible_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [visible_data(item) for item in value]
    return value


def script_json(value: Any) -> str:
    """JSON for a ``<script type="application/json">``: pure ASCII, keys in order, and without ``<``, ``>`` and ``&``.

    Raises:
        ValueError: A number is not finite.
    """
    # The separators leave those three characters inside strings only, where an escape means the same.
    written = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return written.translate(_MARKUP)


def csp_hash(source: str) -> str:
    """What a content security policy allows exactly this inline script or style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
