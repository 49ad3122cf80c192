"""Credentials, region and endpoint for obstore from boto3's chain: ``~/.aws`` profiles, SSO, assumed roles.

obstore's own ``Boto3CredentialProvider`` is not used: it lets obstore keep credentials for 25 minutes, while boto3
renews them 15 minutes before their end, so that expired ones could be in use for ten.
"""

from __future__ import annotations

import boto3

from packhorse.stores.base import Endpoint
from packhorse.stores.botocore_config import no_credentials, resolved
from packhorse.stores.botocore_credentials import FromChain
from packhorse.stores.botocore_errors import translating
from packhorse.stores.credentials import Source


def provide(endpoint: Endpoint) -> tuple[Source, Endpoint]:
    """A source of credentials, and ``endpoint`` with URL and region filled in.

    Raises:
        StoreError: kind ``config``: the chain is empty or broken.
    """
    with translating("connecting for", "", endpoint):
        session = boto3.session.Session(region_name=endpoint.region)
        found = session.get_credentials()
        if found is None:
            raise no_credentials(endpoint)
        return FromChain(found, endpoint), resolved(endpoint, session._session)
