"""What a failed request becomes: one :class:`StoreError` with a kind, made from a status, an error code, and our words.

Nothing a server or an SDK wrote is copied into the text, except the error code: S3's error bodies can hold the access
key and the string that was signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint, ObjectInfo
from packhorse.stores.url import check_key, check_metadata

NO_CREDENTIALS = (
    "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, configure a profile in "
    "~/.aws/credentials, or run where a role is attached"
)

NOT_RENEWED = "the credentials could not be fetched or have expired; log in again, or look into their provider"

#: Seconds to wait after "slow down" at least, when no ``Retry-After`` came or the client does not tell it: the base of
#: the SDKs' pauses after throttling (aws-sdk-js-v3, ``THROTTLING_RETRY_DELAY_BASE``; the Java SDK's is the same).
THROTTLED_FLOOR_S = 0.5
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
    "RequestTimeTooSkewed": StoreErrorKind.DENIED,
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
#: RFC 9110, 8.8.3, of strong tags; S3's are never empty.
_ENTITY_TAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]+"')
NO_ENTITY_TAG = (
    "the answer has no well-formed entity tag, as one that was cut short; whether the body was stored is not known"
)
_REMEDY = {
    StoreErrorKind.DENIED: "check the credentials and that they may do this to the bucket",
    StoreErrorKind.NOT_FOUND: "check the bucket's name, the key and the endpoint",
    StoreErrorKind.CONNECTION: "no answer came; check the endpoint, the network and the TLS certificate",
    StoreErrorKind.TIMEOUT: "whether it was stored is not known",
    StoreErrorKind.CONFIG: "nothing was stored; check the region and the endpoint",
}
_REMEDY_BY_CODE = {
    "ExpiredToken": "the session's credentials have expired; log in again, or give credentials that are renewed: a "
    "profile, a role, or Endpoint.credentials",
    "RequestTimeTooSkewed": "nothing was stored; set this machine's clock: S3 takes requests that are signed within "
    "15 minutes of its own",
}
_REMEDY_BY_CODE["ExpiredTokenException"] = _REMEDY_BY_CODE["ExpiredToken"]
_REMEDY_OF_REDIRECT = (
    "nothing was stored; requests for this bucket belong elsewhere: set the region{region} or the bucket's own endpoint"
)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
#: Codes of refused session credentials that fresh ones cure.
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
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
        from email.utils import parsedate_to_datetime  # its imports take 9 ms, and few servers send dates

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
        **answer: ``status``, ``code``, ``retry_after_s``, ``server_time`` (S3's clock, as its error body says it) and
            ``region`` (where the bucket is), as far as the server said them.
    """
    status, code, wait_s = answer.get("status"), answer.get("code"), answer.get("retry_after_s")
    said = f"HTTP {status}" if status is not None else ""
    known = isinstance(code, str) and _CODE.fullmatch(code) and code != str(status)
    if known:
        said = f"{said} {code}".strip()
    if wait_s is None and kind is StoreErrorKind.THROTTLED:
        wait_s = THROTTLED_FLOOR_S
    parts = [part for part in (said, why, _skew(answer.get("server_time")), _remedy(kind, answer)) if part]
    text = f"{action} {key!a} in bucket {endpoint.bucket!r} at {shown_url(endpoint)}: {kind}"
    return StoreError(
        f"{text} ({'; '.join(parts)})" if parts else text,
        kind=kind,
        status=int(status) if status is not None else None,
        retry_after_s=float(wait_s) if wait_s is not None else None,
        code=str(code) if known else None,
    )


def _remedy(kind: StoreErrorKind, answer: Mapping[str, float | str | None]) -> str:
    status, region = answer.get("status"), answer.get("region")
    if status is not None and 300 <= int(status) < 400:
        place = f" to {region}" if isinstance(region, str) and _REGION.fullmatch(region) else ""
        return _REMEDY_OF_REDIRECT.format(region=place)
    return _REMEDY_BY_CODE.get(str(answer.get("code")), _REMEDY.get(kind, ""))


def _skew(server_time: float | str | None) -> str:
    """How far our clock is from S3's, in words; empty when S3 did not say its time."""
    try:
        when = datetime.fromisoformat(str(server_time))
    except ValueError:
        return ""
    ahead_s = (datetime.now(UTC) - when).total_seconds() if when.tzinfo else 0.0
    return f"this clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} S3's" if ahead_s else ""


def entity_tag(answered: object, action: str, key: str, endpoint: Endpoint) -> str:
    """The quoted entity tag of an answer that says a body was stored.

    S3 always sends one, and botocore takes an answer that was cut inside its head for a whole one.

    Raises:
        StoreError: kind ``server``: there is none, or it is not well-formed. Whether the body was stored is not known.
    """
    text = str(answered or "")
    if not _ENTITY_TAG.fullmatch(text):
        raise failure(action, key, endpoint, StoreErrorKind.SERVER, NO_ENTITY_TAG, status=200)
    return text


def upload_id_of(answered: object, key: str, endpoint: Endpoint) -> str:
    """The id in the answer to a multipart upload's beginning.

    Raises:
        StoreError: kind ``server``: there is none.
    """
    if not isinstance(answered, str) or not answered:
        why = "the answer has no upload id, as one that was cut short"
        raise failure("starting the upload of", key, endpoint, StoreErrorKind.SERVER, why, status=200)
    return answered


def shown_url(endpoint: Endpoint) -> str:
    """The endpoint for people: scheme, host and port, without user, password, path or query."""
    if endpoint.url is None:
        return "the default S3 endpoint"
    parts = urlsplit(endpoint.url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def filled_in(endpoint: Endpoint, url: str | None, region: str | None) -> Endpoint:
    """``endpoint`` with the URL and region that the environment or a configuration file says.

    Raises:
        StoreError: kind ``config``: one of them can be none; obstore would panic on such a URL.
    """
    try:
        return replace(endpoint, url=url, region=region)
    except InputError as error:
        where = "from the environment or the AWS configuration"
        raise StoreError(f"the endpoint's {error}, {where}", kind=StoreErrorKind.CONFIG) from None


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


def created_before(error: StoreError, endpoint: Endpoint) -> bool:
    """True when ``create_only`` was refused since the key exists: perhaps by our own put, whose answer was lost."""
    return endpoint.create_only and error.status == 412


def check_not_create_only(endpoint: Endpoint, what: str) -> None:
    """Refuse ``create_only`` where a client cannot keep it.

    Raises:
        StoreError: kind ``config``.
    """
    if endpoint.create_only:
        raise StoreError(f"create_only is not for {what}; use the store boto3", kind=StoreErrorKind.CONFIG)


def closed(endpoint: Endpoint) -> StoreError:
    """The error for using a store after ``close``."""
    return StoreError(f"the store of bucket {endpoint.bucket!r} is closed; make a new one", kind=StoreErrorKind.CONFIG)
