"""The fast way for HAR entries: headers and cookies by name, everything else by one scan of many entries at once.

What the scan suspects goes the careful way (:mod:`packhorse.redact.suspects`), which alone decides. Entries
are taken in batches because a call of a scanner costs as much as a scan of several kilobytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from packhorse.redact import jsontext
from packhorse.redact.bodies import is_media
from packhorse.redact.context import Context
from packhorse.redact.headers import holds_any, redact_headers, redact_jar
from packhorse.redact.suspects import JAR, Rest, redact_suspect
from packhorse.units import KIB

#: What is copied to be scanned at once. Longer bodies are scanned by themselves, as they are.
_BATCH_BYTES, _BATCH_ENTRIES = 128 * KIB, 128
_LONG_CHARS = 64 * KIB
_REQUEST_BODY, _RESPONSE_BODY = ("request", "postData"), ("response", "content")
#: With other keys a posted body may be encoded, or a named value, which only the careful way reads right.
_POSTED = frozenset({"mimeType", "text", "params", "comment"})


def redact_entries(ctx: Context, entries: Iterable[Any]) -> list[Any]:
    """HAR entries, or any elements, with their secrets replaced; the same objects where there are none."""
    done: list[Any] = []
    batch = _Batch(ctx)
    for entry in entries:
        batch.add(entry)
        if batch.size_bytes >= _BATCH_BYTES or len(batch.entries) >= _BATCH_ENTRIES:
            done += batch.redacted()
            batch = _Batch(ctx)
    return done + batch.redacted()


class _Batch:
    """Entries whose headers and cookies have been looked at, and the texts in them that wait for a scan."""

    __slots__ = ("_bodies", "_ctx", "_outlines", "_places", "_rests", "_unread", "_values", "entries", "size_bytes")

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.entries: list[Any] = []
        self.size_bytes = 0
        #: What the scan has to see of each entry; None for an element that is no HAR entry.
        self._rests: list[tuple[Rest, Rest] | None] = []
        #: Each entry's outline, and the numbers of those that only the careful way can look at.
        self._outlines: list[bytes] = []
        self._unread: set[int] = set()
        #: Bodies, and each one's entry and place in it.
        self._bodies: list[bytes] = []
        self._places: list[tuple[int, tuple[str, str]]] = []
        self._values: set[Any] = set()

    def add(self, entry: Any) -> None:
        """Look at the names in an entry and leave the rest for the scan."""
        request = entry.get("request") if type(entry) is dict else None
        response = entry.get("response") if type(entry) is dict else None
        if type(request) is not dict or type(response) is not dict:
            self._wait(entry, None, entry)
            return
        new_request, request_rest = self._side(request)
        new_response, response_rest = self._side(response)
        new_request = self._body(new_request, request_rest, _REQUEST_BODY)
        new_response = self._body(new_response, response_rest, _RESPONSE_BODY)
        if new_request is not request or new_response is not response:
            entry = {**entry, "request": new_request, "response": new_response}
        outline = {**entry, "request": request_rest, "response": response_rest}
        self._wait(entry, (request_rest, response_rest), outline)

    def _wait(self, entry: Any, rests: tuple[Rest, Rest] | None, outline: Any) -> None:
        text = jsontext.scannable(outline) if type(entry) is dict else None
        if text is None:
            self._unread.add(len(self.entries))
            text = b""
        self.entries.append(entry)
        self._rests.append(rests)
        self._outlines.append(text)
        self.size_bytes += len(text)

    def _side(self, side: dict[Any, Any]) -> tuple[dict[Any, Any], Rest]:
        """A request or response with headers and cookies redacted, and what of it has yet to be scanned."""
        headers, cookies = side.get("headers"), side.get("cookies")
        new, rest = side, dict(side)
        if headers:
            new_headers, rest["headers"] = redact_headers(self._ctx, headers, self._values)
            if new_headers is not headers:
                new = {**new, "headers": new_headers}
        if "cookies" in side and JAR not in side:
            # Under its own name even an empty list of cookies would be looked at more closely, for ever.
            del rest["cookies"]
            if cookies:
                new_cookies, rest[JAR] = redact_jar(self._ctx, cookies)
                new = {**new, "cookies": new_cookies}
        return new, rest

    def _body(self, side: dict[Any, Any], rest: Rest, where: tuple[str, str]) -> dict[Any, Any]:
        """The request or response, its body redacted or among what waits: as it is, not inside the outline's JSON."""
        holder = side.get(where[1])
        if type(holder) is not dict or type(holder.get("text")) is not str:
            return side
        text, mime, encoding = holder["text"], holder.get("mimeType", ""), holder.get("encoding")
        if type(mime) is not str or not (where is _RESPONSE_BODY or _POSTED.issuperset(holder)):
            return side
        rest[where[1]] = {**holder, "text": "", "encoding": ""}
        new = text
        if isinstance(encoding, str) and encoding.lower() == "base64":
            new = text if is_media(text, mime.lower()) else self._ctx.base64(text, mime.lower())
        elif len(text) > _LONG_CHARS:
            new = self._ctx.text(text, mime.lower())
        elif text:
            body = text.encode("utf-8", "surrogatepass")
            self._bodies.append(body)
            self._places.append((len(self.entries), where))
            self.size_bytes += len(body)
        return side if new is text else {**side, where[1]: {**holder, "text": new}}

    def redacted(self) -> list[Any]:
        """The entries, once everything in them has been scanned."""
        texts = self._outlines + self._bodies
        self._outlines, self._bodies = [], []
        found, bad_values = self._ctx.suspected(texts, self._values)
        del texts  # a large element should not be held as JSON while it is looked at more closely
        if found or bad_values or self._unread:
            self._decide(self._unread.union(found), bad_values)
        return self.entries

    def _decide(self, suspected: set[int], bad_values: Collection[Any]) -> None:
        for number, (index, where) in enumerate(self._places, len(self.entries)):
            if number in suspected:
                self.entries[index] = _with_body(self._ctx, self.entries[index], where)
        for index, rests in enumerate(self._rests):
            bad = index in suspected
            if bad_values and rests is not None:
                bad = self._with_headers(index, rests, bad_values) or bad
            if bad:
                self.entries[index] = redact_suspect(self._ctx, self.entries[index], rests)

    def _with_headers(self, index: int, rests: tuple[Rest, Rest], bad: Collection[Any]) -> bool:
        """Whether suspicious values stand in an entry's headers, which are then a part to be looked at."""
        entry, any_bad = self.entries[index], False
        for side, rest in zip(("request", "response"), rests, strict=True):
            headers = entry[side].get("headers")
            if headers and rest["headers"] is not headers and holds_any(headers, bad):
                rest["headers"] = headers
                any_bad = True
        return any_bad


def _with_body(ctx: Context, entry: dict[Any, Any], where: tuple[str, str]) -> dict[Any, Any]:
    side = entry[where[0]]
    holder = side[where[1]]
    text = ctx.text(holder["text"], holder.get("mimeType", "").lower())
    if text is holder["text"]:
        return entry
    return {**entry, where[0]: {**side, where[1]: {**holder, "text": text}}}
