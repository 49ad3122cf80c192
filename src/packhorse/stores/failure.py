"""What a failed request becomes: one :class:`StoreError` with a kind, made from a status, an error code, and our words.

Nothing a server or an SDK wrote is copied into the text, except the error code: S3's error bodies can hold the access
key and the string that was signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint, ObjectInfo
from packhorse.stores.url import check_key, check_metadata

NO_CREDENTIALS = (
    "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, configure a profile in "
    "~/.aws/credentials, or run where a role is attached"
)

#: Longest ``Retry-After`` believed, in seconds: a wrong clock on the server must not stop an uploader for a day.
MAX_RETRY_AFTER_S = 300.0

# S3 API reference, "Error responses": codes whose meaning differs from that of their HTTP status.
_BY_CODE = {
    "SlowDown": StoreErrorKind.THROTTLED,
    "Throttling": StoreErrorKind.THROTTLED,
    "RequestLimitExceeded": StoreErrorKind.THROTTLED,
    "TooManyRequests": StoreErrorKind.THROTTLED,
    "RequestTimeout": StoreErrorKind.TIMEOUT,
    "InternalError": StoreErrorKind.SERVER,
    # Nothing was stored, and the same request may pass: the body was damaged or cut on its way, or another one was
    # being worked on ("try again", says the reference). botocore's own retries count BadDigest as transient, too.
    "BadDigest": StoreErrorKind.SERVER,
    "XAmzContentSHA256Mismatch": StoreErrorKind.SERVER,
    "IncompleteBody": StoreErrorKind.SERVER,
    "OperationAborted": StoreErrorKind.SERVER,
    "ConditionalRequestConflict": StoreErrorKind.SERVER,
    "ExpiredToken": StoreErrorKind.DENIED,
    "InvalidToken": StoreErrorKind.DENIED,
    "AuthorizationHeaderMalformed": StoreErrorKind.DENIED,
    "AuthorizationQueryParametersError": StoreErrorKind.DENIED,
    "InvalidAccessKeyId": StoreErrorKind.DENIED,
    "SignatureDoesNotMatch": StoreErrorKind.DENIED,
    "NoSuchBucket": StoreErrorKind.NOT_FOUND,
    "NoSuchKey": StoreErrorKind.NOT_FOUND,
    "NoSuchUpload": StoreErrorKind.NOT_FOUND,
    "PermanentRedirect": StoreErrorKind.CONFIG,
    "IllegalLocationConstraintException": StoreErrorKind.CONFIG,
}
_BY_STATUS = {
    401: StoreErrorKind.DENIED,
    403: StoreErrorKind.DENIED,
    404: StoreErrorKind.NOT_FOUND,
    408: StoreErrorKind.TIMEOUT,
    409: StoreErrorKind.CONFLICT,
    412: StoreErrorKind.CONFLICT,
    429: StoreErrorKind.THROTTLED,
    503: StoreErrorKind.THROTTLED,
}
_REMEDY = {
    StoreErrorKind.DENIED: "check the credentials and that they may do this to the bucket",
    StoreErrorKind.NOT_FOUND: "check the bucket's name, the key and the endpoint",
    StoreErrorKind.CONNECTION: "no answer came; check the endpoint, the network and the TLS certificate",
    StoreErrorKind.TIMEOUT: "whether it was stored is not known",
    StoreErrorKind.CONFIG: "nothing was stored; check the region and the endpoint",
}
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def kind_of(status: int | None, code: str | None) -> StoreErrorKind:
    """Classify an answer by S3's error code where that says more, else by HTTP status; None means no answer."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status is None:
        return StoreErrorKind.CONNECTION
    if 300 <= status < 400:  # S3 redirects a request that went to the wrong region
        return StoreErrorKind.CONFIG
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return StoreErrorKind.SERVER if status >= 500 or status < 300 else StoreErrorKind.INVALID


def retry_after_s(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Seconds from a ``Retry-After`` header, as a number or a date (RFC 9110, 10.2.3); None when there is none."""
    value = next((text for name, text in headers.items() if name.lower() == "retry-after"), None)
    if value is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value.strip()):
        return min(float(value), MAX_RETRY_AFTER_S)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    wait_s = (when - (now or datetime.now(UTC))).total_seconds() if when.tzinfo else 0.0
    return min(max(wait_s, 0.0), MAX_RETRY_AFTER_S)


def failure(
    action: str,
    key: str,
    endpoint: Endpoint,
    kind: StoreErrorKind,
    why: str = "",
    **answer: float | str | None,
) -> StoreError:
    """Make the error for one failed request.

    Args:
        action: What was tried, in words: ``put``, ``get``, ``part 3 of``.
        key: The object's key.
        endpoint: Where it was tried; credentials in its URL are left out of the text.
        kind: The class of failure.
        why: Our own words about the cause; never an SDK's or a server's text.
        **answer: ``status``, ``code`` and ``retry_after_s``, as far as the server said them.
    """
    status, code, wait_s = answer.get("status"), answer.get("code"), answer.get("retry_after_s")
    said = f"HTTP {status}" if status is not None else ""
    if isinstance(code, str) and _CODE.fullmatch(code) and code != str(status):
        said = f"{said} {code}".strip()
    parts = [part for part in (said, why, _REMEDY.get(kind, "")) if part]
    text = f"{action} {key!a} in bucket {endpoint.bucket!r} at {shown_url(endpoint)}: {kind}"
    return StoreError(
        f"{text} ({'; '.join(parts)})" if parts else text,
        kind=kind,
        status=int(status) if status is not None else None,
        retry_after_s=float(wait_s) if wait_s is not None else None,
    )


def shown_url(endpoint: Endpoint) -> str:
    """The endpoint for people: scheme, host and port, without user, password, path or query."""
    if endpoint.url is None:
        return "the default S3 endpoint"
    parts = urlsplit(endpoint.url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def check_url(endpoint: Endpoint) -> None:
    """Refuse an endpoint URL that is none; obstore would panic on it.

    Raises:
        StoreError: kind ``config``.
    """
    if endpoint.url is None:
        return
    try:
        parts = urlsplit(endpoint.url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise StoreError(
            "the endpoint URL cannot be used; write http://host:port or https://host", kind=StoreErrorKind.CONFIG
        )


def check_request(key: str, info: ObjectInfo) -> None:
    """Refuse, before anything is sent, a key or metadata that clients would store differently or not at all.

    Raises:
        StoreError: kind ``invalid``.
    """
    try:
        check_key(key)
        check_metadata(info.metadata)
    except InputError as error:
        raise StoreError(str(error), kind=StoreErrorKind.INVALID) from None


def closed(endpoint: Endpoint) -> StoreError:
    """The error for using a store after ``close``."""
    return StoreError(f"the store of bucket {endpoint.bucket!r} is closed; make a new one", kind=StoreErrorKind.CONFIG)
