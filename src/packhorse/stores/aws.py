"""Where requests go and as whom: the standard AWS chain, resolved once, for every client alike.

What is given to an :class:`Endpoint` wins. The rest comes from botocore's own chain (:mod:`botocore_chain`): variables,
``~/.aws/config`` with its profiles and services, SSO, roles, processes, web identities, containers. Only where there is
no such file, and keys are given or stand in the environment, are the same variables read here instead: loading botocore
takes 0.2 s and 30 MB.

What no client here can do as the AWS tools do it is refused by name, before anything is sent.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint
from packhorse.stores.credentials import Renewing, Source
from packhorse.stores.network import proxy_of

#: Partition by the region's prefix → the end of its host names (botocore's ``partitions.json``).
_SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}
_DIRECTORY_BUCKET = "--x-s3"
_TRUE = {"true": True, "1": True}
_SAID = {**_TRUE, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment or the AWS configuration says; None or False where it says nothing."""

    url: str | None = None
    region: str | None = None
    ca_file: str | None = None
    fips: bool = False
    dual_stack: bool = False
    accelerate: bool = False
    virtual: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """An endpoint as it is used.

    Attributes:
        endpoint: With URL, region, CA file, encryption and fixed keys filled in.
        settings: What else was said.
        source: Where credentials come from that are renewed; None for the fixed ones of ``endpoint``.
        proxy: The proxy on the way, with its password if it has one.
    """

    endpoint: Endpoint
    settings: Settings
    source: Source | None = field(repr=False)
    proxy: str | None = field(repr=False)


def resolve(endpoint: Endpoint, session: Any = None) -> Plan:
    """Fill in what an endpoint leaves open. Sends nothing, except that a role's or container's keys may be fetched.

    Args:
        endpoint: As given.
        session: A session of botocore's, for clients that have one anyway.

    Raises:
        StoreError: kind ``config``: no credentials, a broken profile, or what is asked for cannot be done.
    """
    if session is None and _needs_no_botocore(endpoint):
        settings, source = from_environment(), None
        if endpoint.credentials is not None:
            source = Renewing(endpoint.credentials, endpoint.bucket)
        elif endpoint.access_key is None:
            endpoint = _with_keys_of_environment(endpoint)
    else:
        chain = _chain(endpoint)
        said, source = chain.resolve(endpoint, session)
        settings = Settings(**said)
    return _checked(_filled_in(with_encryption(endpoint), settings), settings, source)


def _chain(endpoint: Endpoint) -> Any:
    try:
        from packhorse.stores import botocore_chain
    except ImportError:
        text = f"bucket {endpoint.bucket!r}: reading ~/.aws, roles, SSO and containers needs boto3: pip install boto3"
        raise StoreError(text, kind=StoreErrorKind.CONFIG) from None
    return botocore_chain


def _needs_no_botocore(endpoint: Endpoint) -> bool:
    keys = endpoint.access_key is not None or endpoint.credentials is not None
    if keys and endpoint.url and endpoint.region and (endpoint.ca_file or endpoint.url.startswith("http:")):
        return True  # nothing is left open
    given = os.environ
    keys = keys or bool(given.get("AWS_ACCESS_KEY_ID") and given.get("AWS_SECRET_ACCESS_KEY"))
    if not keys or given.get("AWS_PROFILE") or given.get("AWS_DEFAULT_PROFILE"):
        return False
    files = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
    return not any(Path(given.get(name) or usual).expanduser().exists() for name, usual in files.items())


def from_environment() -> Settings:
    """What the variables say that botocore reads where there is no configuration file."""
    given = os.environ
    ignored = _TRUE.get(given.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower(), False)
    return Settings(
        url=None if ignored else given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL") or None,
        # Every AWS SDK but botocore reads the first; it wins over profiles, too.
        region=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or None,
        ca_file=given.get("AWS_CA_BUNDLE") or None,
        fips=_TRUE.get(given.get("AWS_USE_FIPS_ENDPOINT", "").lower(), False),
        dual_stack=_TRUE.get(given.get("AWS_USE_DUALSTACK_ENDPOINT", "").lower(), False),
    )


def _with_keys_of_environment(endpoint: Endpoint) -> Endpoint:
    given = os.environ
    token = given.get("AWS_SESSION_TOKEN") or given.get("AWS_SECURITY_TOKEN") or None
    return replace(
        endpoint,
        access_key=given["AWS_ACCESS_KEY_ID"],
        secret_key=given["AWS_SECRET_ACCESS_KEY"],
        session_token=token,
    )


def _filled_in(endpoint: Endpoint, settings: Settings) -> Endpoint:
    url = endpoint.url or settings.url
    if url is None and os.environ.get("AWS_ENDPOINT"):
        raise StoreError(
            "AWS_ENDPOINT is set, which the AWS tools do not read; set AWS_ENDPOINT_URL_S3 in its place, or unset it",
            kind=StoreErrorKind.CONFIG,
        )
    region = endpoint.region or settings.region or ("us-east-1" if url else None)
    try:
        return replace(endpoint, url=url, region=region, ca_file=endpoint.ca_file or settings.ca_file)
    except InputError as error:
        where = "from the environment or the AWS configuration"
        raise StoreError(f"the endpoint's {error}, {where}", kind=StoreErrorKind.CONFIG) from None


def _checked(endpoint: Endpoint, settings: Settings, source: Source | None) -> Plan:
    """Refuse what cannot be done, while nothing has been sent."""
    if endpoint.url is not None:
        for name, asked in (("FIPS", settings.fips), ("dual-stack", settings.dual_stack)):
            if asked:
                why = f"{name} endpoints are asked for by the environment or the AWS configuration, and a"
                raise _refused(endpoint, f"{why} custom endpoint is set: unset one of them")
    if settings.accelerate and (settings.fips or "." in endpoint.bucket):
        raise _refused(endpoint, "S3 Accelerate knows neither FIPS endpoints nor buckets with dots")
    _check_ca_file(endpoint)
    try:
        proxy = proxy_of(endpoint.url or aws_url(endpoint, settings))
    except ValueError:
        raise _refused(endpoint, "the proxy that the environment names is no URL: http://host:port") from None
    return Plan(endpoint, settings, source, proxy)


def _check_ca_file(endpoint: Endpoint) -> None:
    if endpoint.ca_file is None:
        return
    name = "ca_file (or AWS_CA_BUNDLE, or ca_bundle of the AWS configuration)"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(endpoint.ca_file)
    except ssl.SSLError:
        raise _refused(endpoint, f"{name}: {endpoint.ca_file} holds no certificates in PEM form") from None
    except OSError as error:
        raise _refused(endpoint, f"{name}: {endpoint.ca_file}: {error.strerror}") from None


def is_directory_bucket(endpoint: Endpoint) -> bool:
    """Whether it is one of S3 Express One Zone, whose requests are signed for a session."""
    return endpoint.bucket.endswith(_DIRECTORY_BUCKET)


def refuse_directory_bucket(endpoint: Endpoint, what: str) -> None:
    """Refuse what a client cannot reach. Raises StoreError (``config``)."""
    if is_directory_bucket(endpoint):
        raise _refused(endpoint, f"directory buckets are not for {what}; use the store boto3")


def _refused(endpoint: Endpoint, why: str) -> StoreError:
    return StoreError(f"bucket {endpoint.bucket!r}: {why}", kind=StoreErrorKind.CONFIG)


def aws_url(endpoint: Endpoint, settings: Settings) -> str:
    """AWS's own URL for a bucket, with the bucket as part of the host name where it can be: as botocore makes it."""
    region = endpoint.region or "us-east-1"
    suffix = next((suffix for prefix, suffix in _SUFFIXES.items() if region.startswith(prefix)), "amazonaws.com")
    dual_stack = ".dualstack" if settings.dual_stack else ""
    if settings.accelerate:
        return f"https://{endpoint.bucket}.s3-accelerate{dual_stack}.{suffix}"
    host = f"s3{'-fips' if settings.fips else ''}{dual_stack}.{region}.{suffix}"
    return f"https://{host}" if "." in endpoint.bucket else f"https://{endpoint.bucket}.{host}"


def with_encryption(endpoint: Endpoint) -> Endpoint:
    """``endpoint`` with its encryption filled in from ``AWS_SERVER_SIDE_ENCRYPTION`` and its kin.

    Those are object_store's names for them; read here, they hold for every client. What the endpoint says wins.

    Raises:
        StoreError: kind ``config``: a variable's value is none, or does not go with what was given.
    """
    bucket_key = os.environ.get("AWS_SSE_BUCKET_KEY_ENABLED")
    try:
        filled = replace(
            endpoint,
            server_side_encryption=endpoint.server_side_encryption or os.environ.get("AWS_SERVER_SIDE_ENCRYPTION"),
            kms_key_id=endpoint.kms_key_id or os.environ.get("AWS_SSE_KMS_KEY_ID"),
            bucket_key=_SAID[bucket_key.lower()] if bucket_key and endpoint.bucket_key is None else endpoint.bucket_key,
        )
    except (InputError, KeyError) as error:
        said = error if isinstance(error, InputError) else f"{bucket_key!r} is neither true nor false"
        raise StoreError(
            f"AWS_SERVER_SIDE_ENCRYPTION, AWS_SSE_KMS_KEY_ID or AWS_SSE_BUCKET_KEY_ENABLED: {said}",
            kind=StoreErrorKind.CONFIG,
        ) from None
    if filled.bucket_key is not None and encryption_kind(filled) not in {"aws:kms", "aws:kms:dsse"}:
        text = "bucket_key needs server_side_encryption 'aws:kms'"
        raise StoreError(text, kind=StoreErrorKind.CONFIG)
    return filled


def encryption_kind(endpoint: Endpoint) -> str | None:
    """The algorithm to ask for; a KMS key alone means ``aws:kms``."""
    return endpoint.server_side_encryption or ("aws:kms" if endpoint.kms_key_id is not None else None)
