"""Names and their values in texts that no parser reads: scripts, pages, logs, event streams, broken JSON."""

from __future__ import annotations

import re

from packhorse.captures.redact.context import Context
from packhorse.captures.redact.names import Place
from packhorse.captures.redact.params import fully_unquoted
from packhorse.captures.redact.signals import STRUCTURAL

_NAME = r"[\w.\[\] -]{1,100}"
#: "name": "value", at any depth of JSON within JSON: a value ends at a quote with as many backslashes as it began with.
#: One that never ends, as in a text cut short, goes to the end of the text.
_QUOTED = re.compile(
    rf"(?P<q>\\*[\"'])(?P<name>{_NAME})(?P=q)(?P<colon>\s*:\s*)"
    r"(?:(?P<v>\\*[\"'])(?P<text>.*?)(?:(?<!\\)(?P=v)|\Z)|(?P<number>-?[0-9][0-9.eE+-]*))",
    re.DOTALL,
)
_NAMED = re.compile(
    rf"(?P<head>\\*\"(?:name|key)\\*\"\s*:\s*\\*\"(?P<name>{_NAME})\\*\"\s*,\s*\\*\"value\\*\"\s*:\s*(?P<v>\\*\"))"
    r"(?P<text>.*?)(?P<tail>(?<!\\)(?P=v)|\Z)",
    re.DOTALL,
)
_PARAM = re.compile(r"(?P<head>(?:^|[?&;#\"'\s,{])(?P<name>[\w.\[\]%-]{1,100})=)(?P<text>[^&\s\"'<>\\;]+)")
#: In scripts ``a&key=b`` is an expression; a parameter there stands in a string or a URL.
_URL_IN_SCRIPT = re.compile(r"(?:[\"'`]|//)[^\s\"'`<>(){}]{0,2000}[?&][^\s\"'`<>(){}]*")
_LINE = re.compile(r"(?P<head>^[\"' \t]*(?P<name>[\w-]{1,100}):[ \t]*)(?P<text>[^\r\n]*[^\s])", re.MULTILINE)
_ELEMENT = re.compile(r"(?P<head><(?:[\w.-]+:)?(?P<name>[\w.-]{1,100})(?:\s[^<>]*)?>)(?P<text>[^<]+)(?=</)")
_FIELD = re.compile(
    r"(?P<head><[^<>]*?\bname=\\*[\"']?(?P<name>[\w.\[\]:-]{1,100})\\*[\"']?[^<>]*?\b(?:value|content)=(?P<v>\\*[\"']))"
    r"(?P<text>[^<>]*?)(?P<tail>(?P=v))",
)
_FIELD_REVERSED = re.compile(
    r"(?P<head><[^<>]*?\b(?:value|content)=(?P<v>\\*[\"']))(?P<text>[^<>]*?)(?P<tail>(?P=v)"
    r"[^<>]*?\bname=\\*[\"']?(?P<name>[\w.\[\]:-]{1,100})\\*[\"']?)",
)


def redact_loose(ctx: Context, text: str, signals: frozenset[str], *, script: bool) -> str:
    """Replace values that stand beside secret names.

    Args:
        ctx: The rules.
        text: Any text.
        signals: What the scan found in it.
        script: True for JavaScript and CSS, where ``&``, ``;`` and ``=`` are operators.
    """
    if STRUCTURAL.isdisjoint(signals) and not ctx.always:
        return text
    text = _QUOTED.sub(lambda match: _quoted(ctx, match), text)
    text = _NAMED.sub(lambda match: _value(ctx, match, "form"), text)
    if script:
        return _URL_IN_SCRIPT.sub(lambda match: _params(ctx, match[0]), text)
    text = _params(ctx, text)
    text = _LINE.sub(lambda match: _value(ctx, match, "header"), text)
    text = _ELEMENT.sub(lambda match: _value(ctx, match, "anywhere"), text)
    text = _FIELD.sub(lambda match: _value(ctx, match, "form"), text)
    text = _FIELD_REVERSED.sub(lambda match: _value(ctx, match, "form"), text)
    return text


def _params(ctx: Context, text: str) -> str:
    return _PARAM.sub(lambda match: _value(ctx, match, "query"), text)


def _value(ctx: Context, match: re.Match[str], place: Place) -> str:
    if not ctx.books[place].secret(fully_unquoted(match["name"])):
        return match[0]
    tail = match["tail"] if "tail" in match.re.groupindex else ""
    return f"{match['head']}{ctx.hide(match['text'], 'key' if place == 'anywhere' else place)}{tail}"


def _quoted(ctx: Context, match: re.Match[str]) -> str:
    if not ctx.books["anywhere"].secret(match["name"].strip()):
        return match[0]
    quote = match["v"] if match["text"] is not None else match["q"]
    hidden = ctx.hide(match["text"] if match["text"] is not None else match["number"], "key")
    return f"{match['q']}{match['name']}{match['q']}{match['colon']}{quote}{hidden}{quote}"
