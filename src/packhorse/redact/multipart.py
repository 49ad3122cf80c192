"""``multipart/form-data`` and its relatives (RFC 7578, RFC 2046): the parts of a body, each by its name and type."""

from __future__ import annotations

import re

from packhorse.redact.context import Context

_DISPOSITION_NAME = re.compile(r";\s*name\*?=(?:\"([^\"]*)\"|([^\s;]+))", re.IGNORECASE)
_CONTENT_TYPE = re.compile(r"^content-type:[ \t]*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_BASE64 = re.compile(r"^content-transfer-encoding:[ \t]*base64", re.IGNORECASE | re.MULTILINE)
_FIRST_LINE = re.compile(r"(?:^|\r?\n)(--[^\r\n]{1,200}?)[ \t]*\r?\n(?=[A-Za-z-]+:)")
_BLANK_LINE = re.compile(r"\r?\n\r?\n")


def boundary_of(text: str) -> str | None:
    """The delimiter line of a multipart body, or None when the text does not begin like one."""
    match = _FIRST_LINE.search(text[:4096])
    return match[1] if match else None


def redact_multipart(ctx: Context, text: str, delimiter: str, depth: int) -> str:
    """The body with secret parts replaced and the other parts searched by their own types."""
    parts = text.split(delimiter)
    for index in range(1, len(parts)):
        parts[index] = _part(ctx, parts[index], depth)
    return delimiter.join(parts)


def _part(ctx: Context, part: str, depth: int) -> str:
    blank = _BLANK_LINE.search(part)
    if blank is None:
        return ctx.text(part, "text/plain", depth + 1)
    head, body = part[: blank.end()], part[blank.end() :]
    content = body.rstrip("\r\n")
    ending = body[len(content) :]
    named = _DISPOSITION_NAME.search(head)
    name = (named[1] or named[2] or "") if named else ""
    if content and ctx.books["form"].secret(name):
        return head + ctx.hide(content, "form") + ending
    typed = _CONTENT_TYPE.search(head)
    mime = typed[1] if typed else ""
    if _BASE64.search(head):
        return head + ctx.base64(content, mime, depth + 1) + ending
    return ctx.text(head, "text/plain", depth + 1) + ctx.text(content, mime, depth + 1) + ending
