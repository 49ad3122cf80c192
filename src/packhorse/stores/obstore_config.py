"""How obstore's S3 client is set up here, and its exceptions translated: shared by the sync and the async store.

obstore reads credentials, region and endpoint from the environment only. Where they are not there and boto3 is
installed, boto3's chain (profiles, SSO, roles) provides them. obstore sends the body's SHA-256 with every request,
which the store verifies.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint, ObjectInfo
from packhorse.stores.failure import NO_CREDENTIALS, check_url, failure, kind_of

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
_TIMED_OUT = re.compile(r"timed ?out|TimedOut|deadline has elapsed", re.IGNORECASE)
_CREDENTIALS = re.compile(r"credential|169\.254\.|security-credentials|AssumeRole", re.IGNORECASE)


def client_version() -> str:
    """The version of obstore; its Rust core object_store tells none at run time."""
    return f"obstore {obstore.__version__}"


def open_client(endpoint: Endpoint, pool: int) -> tuple[S3Store, Endpoint]:
    """Make the client; sends nothing, except that boto3's chain may ask a metadata service.

    Returns:
        The client, and the endpoint with URL and region as they are used.

    Raises:
        StoreError: kind ``config``.
    """
    given = os.environ
    url = endpoint.url or given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL") or given.get("AWS_ENDPOINT")
    region = endpoint.region or given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION")
    used = replace(endpoint, url=url, region=region)
    check_url(used)
    config: dict[str, Any] = {}
    if endpoint.access_key is not None:
        config["credential_provider"] = _fixed(endpoint)
    elif not any(name in given for name in _ENV_CREDENTIALS):
        if importlib.util.find_spec("boto3") is not None:
            from packhorse.stores.obstore_boto3 import provide

            config["credential_provider"], used = provide(used)
        elif given.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise StoreError(f"bucket {endpoint.bucket!r}: {NO_CREDENTIALS}", kind=StoreErrorKind.CONFIG)
    if used.url is not None:
        # The variable AWS_ENDPOINT_URL_S3 would otherwise win over an endpoint that was given.
        config["aws_endpoint_url_s3" if "AWS_ENDPOINT_URL_S3" in given else "endpoint"] = used.url
    config["region"] = used.region or "us-east-1"
    config["virtual_hosted_style_request"] = used.url is None and "." not in endpoint.bucket
    check_url(used)
    with translating("connecting for", "", used):
        client = S3Store(
            endpoint.bucket, client_options=_client_options(used, pool), retry_config={"max_retries": 0}, **config
        )
    return client, used


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
        StoreError: With kind and status. obstore does not tell ``Retry-After``, so it is always None.
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
        return failure(action, key, endpoint, kind_of(status or 200, said), status=status, code=said)
    kind, why = _kind_of_text(type(error).__name__, text, invalid=isinstance(error, ValueError))
    return failure(action, key, endpoint, kind, why)


def _kind_of_text(name: str, text: str, *, invalid: bool) -> tuple[StoreErrorKind, str]:
    if name == "FileNotFoundError":
        return StoreErrorKind.NOT_FOUND, ""
    if _CREDENTIALS.search(text):
        return StoreErrorKind.CONFIG, NO_CREDENTIALS
    if _TIMED_OUT.search(text):
        return StoreErrorKind.TIMEOUT, "no answer in time"
    if name == "UnknownConfigurationKeyError" or "builder error" in text.lower():
        return StoreErrorKind.CONFIG, f"obstore refuses the endpoint or another setting: {name}"
    if invalid or name in {"InvalidPathError", "NotSupportedError"}:
        return StoreErrorKind.INVALID, f"obstore refuses the request: {name}"
    return StoreErrorKind.CONNECTION, ""
