"""Names and their values in texts that no parser reads: scripts, pages, logs, event streams, broken JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from packhorse.redact.context import Context
from packhorse.redact.names import Place
from packhorse.redact.params import fully_unquoted
from packhorse.redact.signals import ESCAPED, NAME, QUOTED_VALUE, STRUCTURAL

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
#: name: "value" and name = "value" in scripts and attributes.
_BARE = re.compile(
    rf"(?P<head>(?<![\w$-])(?P<name>[\w$-]{{1,100}})(?:=|:| =)\s{{0,3}}(?P<v>\\*[\"'`]))"
    rf"(?P<text>{QUOTED_VALUE})(?P<tail>(?P=v))"
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

#: Below this a text is searched whole; so is one with very many secret names.
_SHORT_CHARS = 2000
_MANY_SPOTS = 200
_AFTER_CHARS = 1000


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
    everywhere = ctx.always or ESCAPED in signals or len(text) <= _SHORT_CHARS
    for rule in _RULES:
        if rule.scripts is (not script) or not (rule.unescapes or NAME in signals or ctx.always):
            continue

        def replace(match: re.Match[str], rule: _Rule = rule) -> str:
            return rule.replace(ctx, match)

        spots = None if everywhere else ctx.spots(text)
        if spots is None or len(spots) > _MANY_SPOTS:
            text = rule.pattern.sub(replace, text)
        elif spots:
            text = _sub_near(rule, replace, text, spots)
    return text


def _sub_near(rule: _Rule, replace: Callable[[re.Match[str]], str], text: str, spots: list[int]) -> str:
    """``rule.pattern.sub`` near secret names only: large texts have few of them, and the patterns are slow."""
    pieces: list[str] = []
    at = 0
    for spot in spots:
        position, stop = max(at, spot - rule.before_chars), min(len(text), spot + _AFTER_CHARS)
        while position < stop:
            match = rule.pattern.search(text, position, stop)
            if match is None:
                break
            if match.end() == stop:
                # The value may go on behind the neighbourhood.
                match = rule.pattern.match(text, match.start()) or match
            pieces += [text[at : match.start()], replace(match)]
            at = match.end()
            position = max(at, match.start() + 1)
    return "".join(pieces) + text[at:]


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


@dataclass(frozen=True, slots=True)
class _Rule:
    """One pattern and what it does.

    Attributes:
        pattern: Its group ``name`` is looked up, its group ``text`` replaced.
        replace: From a match to what stands in its place.
        before_chars: How far before the end of its secret name a match may begin.
        scripts: True for scripts only, False for anything but scripts, None for both.
        unescapes: Sees through percent-encoded names, which no scan does.
    """

    pattern: re.Pattern[str]
    replace: Callable[[Context, re.Match[str]], str]
    before_chars: int = 400
    scripts: bool | None = False
    unescapes: bool = False


def _under(place: Place) -> Callable[[Context, re.Match[str]], str]:
    return lambda ctx, match: _value(ctx, match, place)


_RULES = (
    _Rule(_QUOTED, _quoted, scripts=None),
    _Rule(_NAMED, _under("form"), scripts=None),
    _Rule(_BARE, _under("anywhere"), scripts=None),
    _Rule(_URL_IN_SCRIPT, lambda ctx, match: _params(ctx, match[0]), before_chars=2400, scripts=True, unescapes=True),
    _Rule(_PARAM, _under("query"), unescapes=True),
    _Rule(_LINE, _under("header")),
    # Found by its closing tag.
    _Rule(_ELEMENT, _under("anywhere"), before_chars=20_000),
    _Rule(_FIELD, _under("form"), before_chars=4000),
    _Rule(_FIELD_REVERSED, _under("form"), before_chars=4000),
)
