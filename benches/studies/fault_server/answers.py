"""S3's answers as bytes: status, headers, XML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

#: How far S3's clock is from ours, as ``clock-skew`` says it.
SKEW = timedelta(hours=1)
#: Kind of fault → HTTP status and S3 error code (S3 API reference, "Error responses").
REFUSALS: Mapping[str, tuple[int, str]] = {
    "500": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "200-error": (200, "InternalError"),
    "request-timeout": (400, "RequestTimeout"),
    "bad-digest": (400, "BadDigest"),
    "307": (307, "TemporaryRedirect"),
    "expired-token": (400, "ExpiredToken"),
    "clock-skew": (403, "RequestTimeTooSkewed"),
    "denied": (403, "AccessDenied"),
    "no-bucket": (404, "NoSuchBucket"),
    "409": (409, "OperationAborted"),
    "412": (412, "PreconditionFailed"),
    "501": (501, "NotImplemented"),
}
#: A portal's page: what it shows says nothing of S3, but for a tag that looks like one.
PORTAL_TAG = '"5d41402abc4b2a76b9719d911017c592"'


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def xml(root: str, **members: str) -> bytes:
    """A flat XML document."""
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in members.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{inner}</{root}>'.encode()


def error(status: int, code: str, *, members: Mapping[str, str] | None = None, **headers: str) -> Answer:
    """An error answer of S3, with more members of its body where it has some."""
    about = "injected by the lab or found by its store"
    body = xml("Error", Code=code, Message=about, **(members or {}), RequestId="LAB")
    return Answer(status, {"Content-Type": "application/xml", **headers}, body)


def portal() -> Answer:
    """A captive portal's answer to whatever it is asked."""
    return Answer(200, {"Content-Type": "text/html", "ETag": PORTAL_TAG}, b"<html>Please log in</html>")


def refusal(kind: str, *, retry_after_s: float | None, location: str) -> Answer:
    """The answer of a fault that is one. ``Retry-After`` has whole seconds (RFC 9110), rounded up."""
    status, code = REFUSALS[kind]
    headers = {}
    if retry_after_s is not None:
        headers["Retry-After"] = str(-int(-retry_after_s // 1))
    if status == 307:
        headers["Location"] = location
    members = {}
    if kind == "clock-skew":
        members["ServerTime"] = (datetime.now(UTC) + SKEW).strftime("%Y-%m-%dT%H:%M:%SZ")
    return error(status, code, members=members, **headers)
