"""How botocore clients are set up here: credentials, region, endpoint, timeouts; retries off.

Decisions shared by boto3, its transfer managers and aiobotocore:

* A custom endpoint (given, or from ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL`` or ``~/.aws/config``) gets path-style
  addresses, and no default CRC trailers, which break stores other than AWS. The body's SHA-256 is then part of the
  signature, so that the store still verifies what it received.
* ``total_max_attempts=1``: retries belong to the uploader.
"""

from __future__ import annotations

import os
from typing import Any

import botocore.config
import botocore.session
from botocore.configprovider import ConfiguredEndpointProvider

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint
from packhorse.stores.encryption import with_encryption
from packhorse.stores.failure import NO_CREDENTIALS, filled_in


def resolved(endpoint: Endpoint, session: botocore.session.Session) -> Endpoint:
    """``endpoint`` with URL, region and encryption filled in from the environment where they were not given."""
    endpoint = with_encryption(endpoint)
    url = endpoint.url
    if url is None and not session.get_config_variable("ignore_configured_endpoint_urls"):
        url = ConfiguredEndpointProvider(
            full_config=session.full_config, scoped_config=session.get_scoped_config(), client_name="s3"
        ).provide()
    region = endpoint.region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    return filled_in(endpoint, url, region or ("us-east-1" if url else None))


def settings(endpoint: Endpoint, pool: int) -> dict[str, Any]:
    """Keyword arguments of ``botocore.config.Config`` for a resolved endpoint and a pool of ``pool`` connections."""
    custom = endpoint.url is not None
    chosen: dict[str, Any] = {
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "max_pool_connections": pool,
        "connect_timeout": endpoint.connect_timeout_s,
        "read_timeout": endpoint.read_timeout_s,
        "tcp_keepalive": True,
        "s3": {"addressing_style": "path" if custom else "auto"},
    }
    if custom and "AWS_REQUEST_CHECKSUM_CALCULATION" not in os.environ:
        chosen["request_checksum_calculation"] = "when_required"
    if custom and "AWS_RESPONSE_CHECKSUM_VALIDATION" not in os.environ:
        chosen["response_checksum_validation"] = "when_required"
    return chosen


def client_arguments(endpoint: Endpoint, config: botocore.config.Config) -> dict[str, Any]:
    """Keyword arguments of ``create_client`` for a resolved endpoint."""
    return {
        "service_name": "s3",
        "region_name": endpoint.region,
        "endpoint_url": endpoint.url,
        "verify": endpoint.ca_file,
        "aws_access_key_id": endpoint.access_key,
        "aws_secret_access_key": endpoint.secret_key,
        "aws_session_token": endpoint.session_token,
        "config": config,
    }


def no_credentials(endpoint: Endpoint) -> StoreError:
    """The error for an empty credentials chain: nothing was sent."""
    return StoreError(f"bucket {endpoint.bucket!r}: {NO_CREDENTIALS}", kind=StoreErrorKind.CONFIG)
