"""Credentials, region and endpoint for obstore from boto3's chain: ``~/.aws`` profiles, SSO, assumed roles."""

from __future__ import annotations

from typing import Any

import boto3
from obstore.auth.boto3 import Boto3CredentialProvider

from packhorse.stores.base import Endpoint
from packhorse.stores.botocore_config import no_credentials, resolved
from packhorse.stores.botocore_errors import translating


def provide(endpoint: Endpoint) -> tuple[Any, Endpoint]:
    """A credential provider, and ``endpoint`` with URL and region filled in.

    Raises:
        StoreError: kind ``config``: the chain is empty or broken.
    """
    with translating("connecting for", "", endpoint):
        session = boto3.session.Session(region_name=endpoint.region)
        if session.get_credentials() is None:
            raise no_credentials(endpoint)
        return Boto3CredentialProvider(session), resolved(endpoint, session._session)
