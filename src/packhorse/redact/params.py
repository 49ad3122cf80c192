"""``name=value`` of URLs, forms, cookies and scripts, and ``name: value`` of header lines and scripts."""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_plus

from packhorse.redact.items import is_weak
from packhorse.redact.names import fully_unquoted
from packhorse.redact.quoting import (
    BARE_CHARS,
    PARAM_CHARS,
    charset,
    level_of,
    run_start,
    string_end,
    unescaped,
)
from packhorse.redact.values import is_placeholder
from packhorse.redact.views import decide_entity
from packhorse.redact.work import Work

_BACKSLASH = 92
#: A value in quotes behind a bare name, as in scripts: told from a label by its length and a digit or a sign in it.
_ASSIGNED = re.compile(rb"\s{0,3}(?P<quote>\\*[\"'`])")
#: The same behind a colon, where a type may stand between: ``key: string = "…"``.
_TYPED = re.compile(rb"\s{0,3}(?:[A-Za-z][\w.|<>\[\]]{0,40} ?= ?)?(?P<quote>\\*[\"'`])")
_QUOTED_VALUE = re.compile(rb"(?=[^\"'`\s\\<>]*[0-9!@#$^*+])[^\"'`\s\\<>](?:[^\"'`\s\\<>]|\\+/|\\+u[0-9a-fA-F]{4}){5,}")
#: The rest of a line that is one value, with a digit or a sign in it, and no member of an object.
_REST = re.compile(
    rb"[ \t]{0,8}(?![A-Za-z_$][\w$]*\.[A-Za-z_$])"
    rb"(?P<value>(?=[^\s\"'`\\]{0,64}[0-9!@#$^*+])[^\s\"'`\\(){}\[\];,<>]{6,})"
    rb"(?=[ \t]{0,8}(?:\\+[nr]|[\r\n]|\\*\"|\Z))"
)
#: A value within a line of a log: letters and digits.
_WITHIN = re.compile(
    rb"[ \t]{1,3}(?!(?:Big)?(?:Uint|Int|Float)[0-9])"
    rb"(?P<value>(?=[A-Za-z_=.+/-]{0,64}[0-9])(?=[0-9_=.+/-]{0,64}[A-Za-z])[A-Za-z0-9_=.+/~-]{8,})(?=[\s,;)\"'<\\]|\Z)"
)
_ENTITY_QUOTE = re.compile(rb"[ \t]{0,3}&(?:amp;)*(?:quot|apos|#0?3[49]|#[xX]2[27]);")
#: The escapes that belong to a value: a slash, and characters that end no value.
_ESCAPED = rb"|\\+/|\\+u(?!00(?:2[0267]|3[bBcCeE]|0))[0-9a-fA-F]{4}"
_VALUE = re.compile(rb"(?:[^&;\s\"'`<>\\]++" + _ESCAPED + rb")+")
#: Where a string holds nothing else, as a form, quotes of the other kind are part of a value.
_FORM_VALUE = re.compile(rb"(?:[^&;\s\"\\]++" + _ESCAPED + rb")+")
#: A value within so many layers of percent-encoding: it ends at a sign of its own layer, or of one around it.
_ENCODED_VALUES = tuple(
    re.compile(rb"(?:[^&;\s\"'<>\\%]++|%(?!(?:25){0," + str(layer).encode() + rb"}(?:26|3[bBcCeE]|2[0237]|0[aAdD])))+")
    for layer in range(6)
)
#: What precedes a parameter in a URL or a form.
_URL_CHARS = charset(bytes(set(range(33, 256)) - set(b"\"'`<>(){}")))
_URL_BYTES = 256
#: Signs of a script around a place, and what there is an expression rather than a value.
_SCRIPT = re.compile(
    rb"[;,)}]\s*(?:let|const|if|function)\b|function\s*\(|=>|===|&&|\|\||\)\s*[{;,]|\breturn\b|\bvar |\);|\];"
    rb"|[;,{}(]\s*[\w$]+\.[\w$.]+="
)
_EXPRESSION = re.compile(rb"[A-Za-z_$][\w$]{0,40}(?:[.(\[,)}:?+|]|\Z)|[!(\[{]|[0-9.]+\Z")
_SCRIPT_BYTES = 160
_QUOTES = (b'"', b"'", b"`")
_LINE_BREAK = re.compile(rb"\\+[nr]|[\r\n\x00]")
_CODE_END = re.compile(rb"[,;{(\[]\s*\Z|\(\)|=>|\bfunction\b|\A(?:this|window|self|await|new)\b|\A[\w$]+\(")
_LINE_HEAD_BYTES = 300
_BREAKS = b"nrt"


def decide_equals(work: Work, end: int) -> None:
    """A name and an equals sign that ends at ``end``."""
    data = work.data
    spaced = data[end - 2 : end - 1] == b" "
    at = end - 1 - spaced
    start = run_start(data, at, PARAM_CHARS)
    before = data[start - 1] if start else 0
    if before == _BACKSLASH and data[start] in _BREAKS:
        start, before = start + 1, 10
    name = _inner_name(data[start:at])
    if not work.param[name] and not work.anywhere[name]:
        return
    if data[end : end + 1] == b">":
        end, spaced = end + 1, True
    quoted = _ASSIGNED.match(data, end)
    if quoted is not None:
        if work.opens(quoted["quote"]) and work.secret(name, "anywhere") and before not in b"?&":
            _hide_quoted(work, quoted)
    elif spaced and work.anywhere[name]:
        _hide_rest(work, start, end)
    elif not spaced and data[end : end + 1] != b"=" and work.param[name]:
        _hide_value(work, start, end, before)


def _hide_value(work: Work, start: int, end: int, before: int) -> None:
    if _ENTITY_QUOTE.match(work.data, end):
        decide_entity(work, end)
    else:
        _hide_param(work, start, end, before)


def decide_fallback(work: Work, end: int) -> None:
    """A name and ``||`` or ``??`` that end at ``end``: a value that a script takes when there is no other."""
    data = work.data
    at = end - 2 - (data[end - 3 : end - 2] == b" ")
    if work.secret(data[run_start(data, at, BARE_CHARS) : at], "anywhere"):
        hide_quoted_at(work, end)


def hide_quoted_at(work: Work, at: int) -> None:
    """Replace the value in quotes that begins at a place in a script, when it looks like a secret."""
    quoted = _ASSIGNED.match(work.data, at)
    if quoted is not None and work.opens(quoted["quote"]):
        _hide_quoted(work, quoted)


def _hide_rest(work: Work, start: int, end: int) -> None:
    """Replace the value behind ``name = `` in a line of settings, when it is the rest of the line and no code."""
    match = _REST.match(work.data, end)
    if match is not None and _line_level(work.data, start) is not None:
        raw = match["value"]
        if not is_placeholder(raw):
            text = unescaped(raw).decode("utf-8", "surrogateescape")
            work.replace(match.start("value"), match.end("value"), text, "key")


def decide_encoded_equals(work: Work, at: int, end: int) -> None:
    """A name and an equals sign written as ``%3D``, ``%253D`` …, between two places: a URL within a URL."""
    data = work.data
    name = _inner_name(data[run_start(data, at, PARAM_CHARS) : at])
    if not work.secret(name, "param"):
        return
    layers = (end - at - 3) // 2 + 1
    match = _ENCODED_VALUES[min(layers, len(_ENCODED_VALUES)) - 1].match(data, end)
    if match is not None:
        text = unescaped(match[0]).decode("utf-8", "surrogateescape")
        for _ in range(layers + 1):
            text = unquote(text) if "%" in text else text
        work.replace(match.start(), match.end(), text, "query")


#: Up to the last sign, written as an escape, that ends what stands before a name.
_LAST_SIGN = re.compile(rb".*%(?:25)*(?:26|3[bBfF]|2[3fF])", re.DOTALL)


def _inner_name(name: bytes) -> bytes:
    """The last name in what may be ``%2Fb%3Ftoken`` or ``%26token``."""
    if b"%" not in name:
        return name
    if (front := _LAST_SIGN.match(name)) is not None:
        name = name[front.end() :]
    name = fully_unquoted(name.decode("utf-8", "replace")).encode("utf-8", "replace")
    for sign in (b"?", b"&", b";", b"#", b"/", b"{", b'"', b"="):
        name = name.rpartition(sign)[2]
    return name


def _hide_param(work: Work, start: int, end: int, before: int) -> None:
    data = work.data
    run = run_start(data, start, _URL_CHARS, _URL_BYTES)
    # Of a long URL or form only the end is looked at.
    around = data[run - 1 : run] if run and start - run < _URL_BYTES else b'"'
    front = data[run:start]
    # In a URL or a form every value is one; elsewhere it may be an expression.
    whole = ((before in b"?&#" or not front) and around in _QUOTES) or b"/" in front
    match = (_FORM_VALUE if around == b'"' and whole else _VALUE).match(data, end)
    if match is None:
        return
    raw = match[0]
    if raw[0] in b"{(" or (not whole and (raw[0] in b"[" or _is_expression(work, start, raw))):
        return
    if is_placeholder(raw) or (whole and b"/" not in front and _is_script(raw)):
        return
    if is_weak(raw) and not work.secret(_inner_name(data[start : end - 1]), "anywhere"):
        return
    form = b"?" not in front and b"#" not in front and before not in b"?#"
    text = unescaped(raw).decode("utf-8", "surrogateescape")
    # The digest is of what the value means, so that it equals the one of the same secret in a header or in JSON.
    meant = unquote_plus(text) if form else unquote(text)
    work.replace(match.start(), match.end(), meant, "form" if form else "query")


def _is_expression(work: Work, at: int, raw: bytes) -> bool:
    """Whether this is code: ``a&key=b`` in a script."""
    near = work.data[max(0, at - _SCRIPT_BYTES) : at + len(raw[:_SCRIPT_BYTES]) + _SCRIPT_BYTES]
    return _EXPRESSION.match(raw[:64]) is not None and _SCRIPT.search(near) is not None


def _is_script(raw: bytes) -> bool:
    """Whether a form that begins a text is none: ``this.token=t.token,e.password=n.value``."""
    return _EXPRESSION.match(raw[:64]) is not None and _SCRIPT.search(raw[:_SCRIPT_BYTES]) is not None


def _hide_quoted(work: Work, quoted: re.Match[bytes]) -> None:
    data = work.data
    match = _QUOTED_VALUE.match(data, quoted.end())
    if match is not None and data.startswith(quoted["quote"], match.end()):
        work.replace(match.start(), match.end(), unescaped(match[0]).decode("utf-8", "surrogateescape"), "key")


def decide_colon(work: Work, end: int) -> None:
    """A name and a colon that ends at ``end``: a line of headers, or a key of an object in a script."""
    data = work.data
    at = end - 1
    spaced = data[at - 1 : at] == b" "
    at -= spaced
    start = run_start(data, at, BARE_CHARS)
    if start and data[start - 1] == _BACKSLASH and data[start] in _BREAKS:
        start += 1
    if not work.secret(data[start:at], "anywhere"):
        return
    quoted = _TYPED.match(data, end)
    done = work.done
    if quoted is not None and work.opens(quoted["quote"]):
        _hide_quoted(work, quoted)
    elif _ENTITY_QUOTE.match(data, end):
        decide_entity(work, data.find(b"&", end))
        return
    if work.done == done and not spaced:
        _hide_line(work, start, end)
    if work.done == done and (within := _WITHIN.match(data, end)) is not None:
        text = within["value"].decode()
        work.replace(within.start("value"), within.end("value"), text, "key")


def _hide_line(work: Work, start: int, end: int) -> None:
    """Replace what follows ``name:`` in its line, when it begins one."""
    data = work.data
    level = _line_level(data, start)
    if level is None or data.startswith((b"//", b"\\/"), end):
        return
    first = end + (len(data[end : end + 16]) - len(data[end : end + 16].lstrip(b" \t")))
    if data[first : first + 1] in (b'"', b"'", b"\\", b""):
        return
    # Whether it is code shows at its beginning, so that a line full of names is not read to its end for each of them.
    if _CODE_END.search(data[first : _line_end(data, first, level, min(len(data), first + _LINE_HEAD_BYTES))]):
        return
    raw = data[first : _line_end(data, first, level, len(data))].rstrip()
    if raw and not is_placeholder(raw):
        text = unescaped(raw).decode("utf-8", "surrogateescape")
        work.replace(first, first + len(raw), text, "header")


def _line_end(data: bytes, at: int, level: int, stop: int) -> int:
    """Where a line ends, or the string in which it stands."""
    found = _LINE_BREAK.search(data, at, min(stop, at + _LINE_HEAD_BYTES)) or _LINE_BREAK.search(data, at, stop)
    return string_end(data, at, level, found.start() if found else stop)


_LINE_START = re.compile(rb"(?:(?P<slashes>\\+)[nr]|[\r\n]|(?P<quote>\\*)[\"'`]|\A)[ \t]*\Z")


def _line_level(data: bytes, start: int) -> int | None:
    """The level of the string in which a line begins at a place; None when none does."""
    low = max(0, start - 40)
    match = _LINE_START.search(data[low:start])
    if match is None or (low and match.end() == match.start()):
        return None
    if match["slashes"] is not None:
        return len(match["slashes"]).bit_length() - 1
    if match["quote"] is not None:
        return level_of(len(match["quote"]))
    return 0
