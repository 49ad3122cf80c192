"""A text of any kind: what it is, and which rules read it. Ends in the loose rules, never in leaving it alone."""

from __future__ import annotations

import re

from packhorse.redact import jsontext
from packhorse.redact.context import Context
from packhorse.redact.loose import redact_loose
from packhorse.redact.marker import is_marker
from packhorse.redact.multipart import boundary_of, redact_multipart
from packhorse.redact.params import looks_like_form, looks_like_url, redact_pairs, redact_url
from packhorse.redact.signals import STRUCTURAL
from packhorse.redact.tokens import redact_tokens

_SCRIPT = re.compile(r"javascript|ecmascript|css|wasm", re.IGNORECASE)
_EVENT = re.compile(r"((?:data:)?[ \t]*)([\[{].*[\]}])[ \t]*\r?", re.DOTALL)
#: What servers put before JSON so that it cannot be run as a script.
_GUARD = re.compile(r"\s*(?:\)\]\}'?,?|while\s*\(1\);?|for\s*\(;;\);?|\ufeff)\s*(?=[\[{\"])")


def redact_text(ctx: Context, text: str, mime: str, depth: int) -> str:
    """A text with its secrets replaced; the same object when there are none.

    Args:
        ctx: The rules.
        text: A whole value or body.
        mime: Its media type as declared, or empty. What a text looks like counts more.
        depth: Texts around this one.
    """
    signals = ctx.signals(text)
    if not signals and not ctx.always:
        return text
    if is_marker(text):
        return text
    if STRUCTURAL.isdisjoint(signals) and not ctx.always and text.lstrip()[:1] not in ("{", "[", '"'):
        return redact_tokens(ctx, text, signals)
    new = _structured(ctx, text, mime, depth)
    if new is None:
        new = redact_loose(ctx, text, signals, script=_SCRIPT.search(mime) is not None)
        new = redact_tokens(ctx, new, ctx.signals(new))
    return text if new == text else new


def _structured(ctx: Context, text: str, mime: str, depth: int) -> str | None:
    """The redacted text when it is JSON, lines of JSON, multipart, a URL or a form; otherwise None."""
    guard = _GUARD.match(text)
    start = guard.end() if guard else 0
    body = text[start:] if start else text
    json_declared = "json" in mime.lower()
    if body.lstrip()[:1] in ("{", "[", '"') or json_declared:
        try:
            return text[:start] + _json(ctx, body, depth)
        except jsontext.NotJson:
            lines = _json_lines(ctx, text, depth)
        if lines is not None:
            return lines
        if json_declared:
            return _broken_json(ctx, text)
    elif text.lstrip()[:5] == "data:":
        return _json_lines(ctx, text, depth)
    return _other(ctx, text, mime, depth)


def _other(ctx: Context, text: str, mime: str, depth: int) -> str | None:
    delimiter = boundary_of(text)
    if delimiter is not None:
        return redact_multipart(ctx, text, delimiter, depth)
    is_url = looks_like_url(text)
    if "urlencoded" in mime or (not is_url and looks_like_form(text)):
        new = redact_pairs(ctx, text, "form", depth)
    elif is_url:
        new = redact_url(ctx, text, depth)
    else:
        return None
    return redact_tokens(ctx, new, ctx.signals(new))


def _json(ctx: Context, text: str, depth: int) -> str:
    value = jsontext.loads(text)
    new = ctx.walk(value, "anywhere", depth + 1)
    for path in ctx.rules.json_path:
        new = path.apply(new, lambda found: found if found is None else ctx.marker.mark(found, "json-path"))
    return text if new is value else jsontext.dumps(new)


def _json_lines(ctx: Context, text: str, depth: int) -> str | None:
    """NDJSON and event streams: lines that are JSON are read as such, others as texts. None when no line is JSON."""
    lines = text.split("\n")
    if len(lines) < 2:
        return None
    read = 0
    for index, line in enumerate(lines):
        match = _EVENT.fullmatch(line)
        if match is not None:
            try:
                lines[index] = line[: match.start(2)] + _json(ctx, match[2], depth) + line[match.end(2) :]
                read += 1
                continue
            except jsontext.NotJson:
                pass
        signals = ctx.signals(line)
        if signals or ctx.always:
            new = redact_loose(ctx, line, signals, script=False)
            lines[index] = redact_tokens(ctx, new, ctx.signals(new))
    return "\n".join(lines) if read else None


def _broken_json(ctx: Context, text: str) -> str:
    """JSON that cannot be read: the loose rules replace what they reach; if a secret name stays, all goes."""
    new = redact_loose(ctx, text, ctx.signals(text), script=False)
    new = redact_tokens(ctx, new, ctx.signals(new))
    if not ctx.certain_signals(new).isdisjoint(STRUCTURAL):
        return ctx.marker.mark(text, "unparsed")
    return new
