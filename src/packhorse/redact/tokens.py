"""Secrets known by their own shape, wherever in a text they stand."""

from __future__ import annotations

import re

from packhorse.redact.cards import replace_cards
from packhorse.redact.context import Context
from packhorse.redact.signals import CARD, USERINFO

_USERINFO = re.compile(r"(:(?:\\*/){2})([^/\\\s\"'<>@?#:]{0,256}:[^/\\\s\"'<>@?#]{1,256})@")


def redact_tokens(ctx: Context, text: str, signals: frozenset[str]) -> str:
    """Replace provider tokens, JWTs, private keys, cards, passwords in URLs, and what the user's patterns match."""
    mark = ctx.marker.mark
    for rule in ctx.rules.token:
        if rule.name in signals:
            text = rule.pattern.sub(lambda match, name=rule.name: mark(match[0], name), text)  # type: ignore[misc]
    if USERINFO in signals:
        text = _USERINFO.sub(lambda match: f"{match[1]}{_userinfo(ctx, match[2])}@", text)
    if CARD in signals:
        text = replace_cards(text, lambda digits: mark(digits, "card"))
    for rule in ctx.rules.regex:
        text = rule.pattern.sub(lambda match, name=rule.name: mark(match[0], name), text)  # type: ignore[misc]
    return text


def _userinfo(ctx: Context, secret: str) -> str:
    # Brackets in front of an @ are read as an IPv6 address by URL parsers, so this marker has none.
    return ctx.marker.mark(secret, "userinfo").strip("[]").replace(":", "-")
