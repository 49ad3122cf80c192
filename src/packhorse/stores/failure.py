"""What a failed request becomes: one :class:`StoreError` with a kind, made from a status, an error code, and our words.

Nothing a server or an SDK wrote is copied into the text, except the error code: S3's error bodies can hold the access
key and the string that was signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint, ObjectInfo
from packhorse.stores.network import CUT, cause_of, proxy_of, without_secrets
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
    "NotImplemented": StoreErrorKind.INVALID,
}
#: With them S3 names the region that the bucket is in.
_WRONG_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect"}
)
_BY_STATUS = {
    401: StoreErrorKind.DENIED,
    403: StoreErrorKind.DENIED,
    404: StoreErrorKind.NOT_FOUND,
    408: StoreErrorKind.TIMEOUT,
    409: StoreErrorKind.CONFLICT,
    412: StoreErrorKind.CONFLICT,
    429: StoreErrorKind.THROTTLED,
    501: StoreErrorKind.INVALID,  # whoever does not know the request today will not know it in a minute
    503: StoreErrorKind.THROTTLED,
    505: StoreErrorKind.INVALID,
}
_REMEDY = {
    StoreErrorKind.DENIED: "check the credentials and that they may do this to the bucket",
    StoreErrorKind.NOT_FOUND: "check the bucket's name, the key and the endpoint",
    StoreErrorKind.CONNECTION: "no answer came; check the endpoint and the network",
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
#: Regions as S3's kin call them, too: ``garage``, ``default``. Short and plain, since a server chooses the text.
_REGION = re.compile(r"[a-z0-9]{1,12}(-[a-z0-9]{1,12}){0,4}")
#: Members of S3's error body, where a client shows it as text. The endpoint is a host: bucket.s3.eu-west-1.amazonaws…
_IN_BODY = {
    "code": re.compile(r"<Code>([A-Za-z0-9._-]{1,64})</Code>"),
    "server_time": re.compile(r"<ServerTime>([0-9TZ:.+-]{1,40})</ServerTime>"),
    "region": re.compile(
        r"<Region>([a-z0-9-]{1,40})</Region>|<Endpoint>[^<]{0,200}?\bs3[.-]([a-z0-9-]{1,40})\.amazonaws"
    ),
}
#: Codes of refused session credentials that fresh ones cure.
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def kind_of(status: int | None, code: str | None) -> StoreErrorKind:
    """Classify an answer by S3's error code where that says more, else by HTTP status; None means no answer."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code is not None and code.startswith("KMS."):  # the bucket's key is refused, and not this one object
        return StoreErrorKind.DENIED
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


class BrokenOff(StoreError):
    """The connection ended before an answer came: perhaps one that was kept from an answer before, and dead since."""


def answered(
    action: str, key: str, endpoint: Endpoint, *, status: int | None, body: str = "", **said: float | str | None
) -> StoreError:
    """The error for an answer that is one: its kind by status and code, a wrong region told as that.

    Args:
        action: As of :func:`failure`.
        key: Likewise.
        endpoint: Likewise.
        status: HTTP status, as far as it is known.
        body: S3's error body, of which only codes, times and regions are taken.
        **said: What the client has told apart already, as :func:`failure` takes it.
    """
    head = body[:4096]
    for name, pattern in _IN_BODY.items():
        if not said.get(name) and (found := pattern.search(head)):
            said[name] = next(filter(None, found.groups()))
    code = str(said.get("code") or "")
    kind = kind_of(status, code)
    if said.get("region") and code in _WRONG_REGION:
        kind = StoreErrorKind.CONFIG
    return failure(action, key, endpoint, kind, str(said.pop("why", "") or ""), status=status, **said)


def unanswered(action: str, key: str, endpoint: Endpoint, text: str, name: str = "") -> StoreError:
    """The error for a request that got no answer: what kept it from one, told by what the client says of it.

    Args:
        action: As of :func:`failure`.
        key: Likewise.
        endpoint: Likewise.
        text: What the client says; only looked at.
        name: The class of its exception, shown where nothing is known of the cause.
    """
    cause = cause_of(text.replace(key, "") if key else text)
    error = failure(action, key, endpoint, StoreErrorKind.CONNECTION, cause or name)
    return BrokenOff(str(error), kind=error.kind) if cause == CUT else error


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
    # What kept an answer from coming says by itself what to look into.
    remedy = "" if why and kind is StoreErrorKind.CONNECTION else _remedy(kind, answer)
    parts = [part for part in (said, why, _skew(answer.get("server_time")), remedy) if part]
    text = f"{action} {key!a} in bucket {endpoint.bucket!r} at {shown_url(endpoint)}{_through(endpoint)}: {kind}"
    return StoreError(
        f"{text} ({'; '.join(parts)})" if parts else text,
        kind=kind,
        status=int(status) if status is not None else None,
        retry_after_s=float(wait_s) if wait_s is not None else None,
        code=str(code) if known else None,
    )


def _remedy(kind: StoreErrorKind, answer: Mapping[str, float | str | None]) -> str:
    status, region = answer.get("status"), answer.get("region")
    if status is not None and (300 <= int(status) < 400 or (region and answer.get("code") in _WRONG_REGION)):
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


def shown_url(endpoint: Endpoint) -> str:
    """The endpoint for people: scheme, host and port, without user, password, path or query."""
    if endpoint.url is None:
        return "the default S3 endpoint"
    return without_secrets(endpoint.url)


def _through(endpoint: Endpoint) -> str:
    """The proxy on the way, in words: what it answers looks like an answer of S3's."""
    try:
        proxy = proxy_of(endpoint.url or "https://s3.amazonaws.com")
    except ValueError:
        return " through the proxy that the environment names, whose URL cannot be read"
    return f" through the proxy {without_secrets(proxy)}" if proxy else ""


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
