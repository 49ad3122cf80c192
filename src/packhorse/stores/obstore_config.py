"""How obstore's S3 client is set up here, and its exceptions translated: shared by the sync and the async store.

obstore reads credentials, region and endpoint from the environment only. Where they are not there and boto3 is
installed, boto3's chain (profiles, SSO, roles) provides them. obstore sends the body's SHA-256 with every request,
which the store verifies.

Credentials that are renewed come from a function in Python. obstore keeps what it is given until five minutes before
its end, and within those five minutes asks again every 100 ms at the most; there is no way to make it ask sooner. So
it is told an end in four minutes, whatever the real one: a renewal is in use 100 ms later.

Its exceptions have a text, in which S3's status and error body stand, and no headers: ``Retry-After`` cannot be had.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint, ObjectInfo
from packhorse.stores.credentials import Renewing, Source
from packhorse.stores.encryption import encryption_kind, with_encryption
from packhorse.stores.failure import (
    NO_CREDENTIALS,
    NO_ENTITY_TAG,
    NOT_RENEWED,
    check_not_create_only,
    failure,
    filled_in,
    kind_of,
)
from packhorse.stores.obstore_forks import enter

#: reqwest's bound on a whole request, reading included; stalls are met by read_timeout_s long before.
REQUEST_LIMIT_S = 3600

_ENV_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
_NAMED = {
    "Content-Type",
    "Content-Encoding",
    "Content-Disposition",
    "Content-Language",
    "Cache-Control",
    "Storage-Class",
}
_STATUS = re.compile(r"Server returned (?:non-2xx status code: |error response: )(\d{3})?")
_CODE = re.compile(r"<Code>([A-Za-z0-9._-]{1,64})</Code>")
_SERVER_TIME = re.compile(r"<ServerTime>([0-9TZ:.+-]{1,40})</ServerTime>")
_NO_TAG = re.compile(r"ETag Header missing|Unable to extract metadata from headers")
_PROVIDER_FAILED = "External AWS credential provider"
#: What :class:`packhorse.stores.credentials.Renewing` says: our own words, without anything of the provider's.
_PROVIDER_SAID = re.compile(r"the credentials provider (?:returned|raised) [\w .,'-]{1,120}")
#: Seconds that obstore is told credentials live: under the five minutes from which on it asks again (see above).
TOLD_LIFE_S = 240.0
_TIMED_OUT = re.compile(r"timed ?out|TimedOut|deadline has elapsed", re.IGNORECASE)
_CREDENTIALS = re.compile(r"credential|169\.254\.|security-credentials|AssumeRole", re.IGNORECASE)


def client_version() -> str:
    """The version of obstore; its Rust core object_store tells none at run time."""
    return f"obstore {obstore.__version__}"


def open_client(endpoint: Endpoint, pool: int) -> tuple[S3Store, Endpoint, Source | None]:
    """Make the client; sends nothing, except that boto3's chain may ask a metadata service.

    Returns:
        The client, the endpoint with URL, region and encryption as they are used, and where its credentials come from,
        when they can be renewed by us.

    Raises:
        StoreError: kind ``config``; also in the child of a process that had used obstore before it was forked.
    """
    enter(endpoint)
    given = os.environ
    url = endpoint.url or given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL") or given.get("AWS_ENDPOINT")
    region = endpoint.region or given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION")
    used = with_encryption(filled_in(endpoint, url, region))
    config: dict[str, Any] = {}
    source: Source | None = None
    if endpoint.access_key is not None:
        config["credential_provider"] = _fixed(endpoint)
    elif endpoint.credentials is not None:
        source = Renewing(endpoint.credentials, endpoint.bucket)
    elif not any(name in given for name in _ENV_CREDENTIALS):
        if importlib.util.find_spec("boto3") is not None:
            from packhorse.stores.obstore_boto3 import provide

            source, used = provide(used)
        elif given.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise StoreError(f"bucket {endpoint.bucket!r}: {NO_CREDENTIALS}", kind=StoreErrorKind.CONFIG)
    if source is not None:
        config["credential_provider"] = _renewed(source)
    config |= _encryption(used)
    if used.url is not None:
        # The variable AWS_ENDPOINT_URL_S3 would otherwise win over an endpoint that was given.
        config["aws_endpoint_url_s3" if "AWS_ENDPOINT_URL_S3" in given else "endpoint"] = used.url
    config["region"] = used.region or "us-east-1"
    config["virtual_hosted_style_request"] = used.url is None and "." not in endpoint.bucket
    with translating("connecting for", "", used):
        client = S3Store(
            endpoint.bucket, client_options=_client_options(used, pool), retry_config={"max_retries": 0}, **config
        )
    return client, used, source


def _encryption(endpoint: Endpoint) -> dict[str, Any]:
    settings = {
        "aws_server_side_encryption": encryption_kind(endpoint),
        "aws_sse_kms_key_id": endpoint.kms_key_id,
        "aws_sse_bucket_key_enabled": endpoint.bucket_key,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _renewed(source: Source) -> Any:
    """A source as a provider of obstore's."""

    def provide() -> dict[str, Any]:
        held = source.current()
        return {
            "access_key_id": held.access_key,
            "secret_access_key": held.secret_key,
            "token": held.session_token,
            "expires_at": datetime.now(UTC) + timedelta(seconds=TOLD_LIFE_S),
        }

    return provide


def _client_options(endpoint: Endpoint, pool: int) -> Any:
    options: dict[str, Any] = {
        "allow_http": (endpoint.url or "").lower().startswith("http:"),
        "connect_timeout": timedelta(seconds=endpoint.connect_timeout_s),
        "read_timeout": timedelta(seconds=endpoint.read_timeout_s),
        "timeout": timedelta(seconds=REQUEST_LIMIT_S),
        "pool_max_idle_per_host": str(pool),
    }
    if endpoint.ca_file is not None:
        try:
            options["root_certificate"] = Path(endpoint.ca_file).read_bytes()
        except OSError as error:
            raise StoreError(f"ca_file {endpoint.ca_file}: {error.strerror}", kind=StoreErrorKind.CONFIG) from None
    return options


def _fixed(endpoint: Endpoint) -> Any:
    """Explicit credentials as a provider: plain settings would be mixed with AWS_SESSION_TOKEN from the environment."""
    credential = {
        "access_key_id": endpoint.access_key,
        "secret_access_key": endpoint.secret_key,
        "token": endpoint.session_token,
        "expires_at": None,
    }
    return lambda: credential


def put_mode(endpoint: Endpoint) -> Any:
    """The ``mode`` of a put; ``create`` sends ``If-None-Match: *``."""
    return "create" if endpoint.create_only else "overwrite"


def check_stream(endpoint: Endpoint) -> None:
    """Refuse a multipart upload that must not replace anything: obstore would gather it whole in memory.

    Raises:
        StoreError: kind ``config``.
    """
    check_not_create_only(endpoint, "streams of 5 MiB and more through obstore")


def attributes_of(info: ObjectInfo) -> dict[str, str]:
    """``info`` as obstore's attributes."""
    attributes = {"Content-Type": info.content_type, **info.metadata}
    if info.content_encoding is not None:
        attributes["Content-Encoding"] = info.content_encoding
    return attributes


def info_of(attributes: Mapping[Any, str]) -> ObjectInfo:
    """The attributes of obstore as headers of an object."""
    metadata = {str(name): value for name, value in attributes.items() if name not in _NAMED}
    content_type = attributes.get("Content-Type", "application/octet-stream")
    return ObjectInfo(content_type, attributes.get("Content-Encoding"), metadata)


@contextmanager
def translating(action: str, key: str, endpoint: Endpoint) -> Iterator[None]:
    """Raise what obstore raises inside as StoreError; the chain is cut, as its texts quote the server's answer.

    Raises:
        StoreError: With kind, status and code. obstore does not tell ``Retry-After``: when S3 throttles, the error has
            the floor (:data:`packhorse.stores.failure.THROTTLED_FLOOR_S`).
    """
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise translated(error, action, key, endpoint) from None


def translated(error: Exception, action: str, key: str, endpoint: Endpoint) -> StoreError:
    """The StoreError for one of obstore's exceptions, known only by class and text."""
    text = str(error)
    if " " in key:  # such a key could hold the words looked for below
        text = text.replace(key, "")
    if answer := _STATUS.search(text):
        status = int(answer[1]) if answer[1] else None
        code = _CODE.search(text)
        said = code[1] if code else None
        clock = _SERVER_TIME.search(text)
        server_time = clock[1] if clock else None
        kind = kind_of(status or 200, said)
        return failure(action, key, endpoint, kind, status=status, code=said, server_time=server_time)
    if _NO_TAG.search(text):
        return failure(action, key, endpoint, StoreErrorKind.SERVER, NO_ENTITY_TAG, status=200)
    kind, why = _kind_of_text(type(error).__name__, text, invalid=isinstance(error, ValueError))
    return failure(action, key, endpoint, kind, why)


def _kind_of_text(name: str, text: str, *, invalid: bool) -> tuple[StoreErrorKind, str]:
    if name == "FileNotFoundError":
        return StoreErrorKind.NOT_FOUND, ""
    if _CREDENTIALS.search(text):
        ours = _PROVIDER_SAID.search(text)
        not_renewed = ours[0] if ours else NOT_RENEWED
        return StoreErrorKind.CONFIG, not_renewed if _PROVIDER_FAILED in text else NO_CREDENTIALS
    if _TIMED_OUT.search(text):
        return StoreErrorKind.TIMEOUT, "no answer in time"
    if name == "UnknownConfigurationKeyError" or "builder error" in text.lower():
        return StoreErrorKind.CONFIG, f"obstore refuses the endpoint or another setting: {name}"
    if invalid or name in {"InvalidPathError", "NotSupportedError"}:
        return StoreErrorKind.INVALID, f"obstore refuses the request: {name}"
    return StoreErrorKind.CONNECTION, ""
