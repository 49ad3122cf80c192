"""botocore's own chain of settings and credentials, for every client here; its credentials renewed when refused."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any

import botocore.session
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import Credentials, Endpoint
from packhorse.stores.botocore_errors import translating
from packhorse.stores.credentials import Renewing, Source
from packhorse.stores.failure import EXPIRED, NO_CREDENTIALS

#: In a request's context: when it began, on the monotonic clock.
BEGAN = "packhorse_began_s"


def resolve(endpoint: Endpoint, session: Any = None) -> tuple[dict[str, Any], Source | None]:
    """What the chain says, as :class:`packhorse.stores.aws.Settings` takes it, and where credentials come from.

    The source is None when the endpoint has fixed ones.

    Raises:
        StoreError: kind ``config``: the chain is empty or broken.
    """
    with translating("connecting for", "", endpoint):
        if session is None:
            session = botocore.session.Session()
        return settings_of(session), _source(endpoint, session)


def settings_of(session: Any) -> dict[str, Any]:
    """What the chain says about where to go."""
    s3 = session.get_config_variable("s3") or {}
    url = None
    if not session.get_config_variable("ignore_configured_endpoint_urls"):
        url = ConfiguredEndpointProvider(
            full_config=session.full_config, scoped_config=session.get_scoped_config(), client_name="s3"
        ).provide()
    return {
        "url": url,
        "region": os.environ.get("AWS_REGION") or session.get_config_variable("region"),
        "ca_file": session.get_config_variable("ca_bundle"),
        "fips": bool(session.get_config_variable("use_fips_endpoint")),
        "dual_stack": bool(session.get_config_variable("use_dualstack_endpoint"))
        or _is_true(s3, "use_dualstack_endpoint"),
        "accelerate": _is_true(s3, "use_accelerate_endpoint"),
        "virtual": str(s3.get("addressing_style", "")) == "virtual",
    }


def _is_true(section: Any, name: str) -> bool:
    return str(section.get(name, "")).lower() == "true"


def _source(endpoint: Endpoint, session: Any) -> Source | None:
    if endpoint.access_key is not None:
        return None
    if endpoint.credentials is not None:
        return Renewing(endpoint.credentials, endpoint.bucket)
    found = session.get_credentials()
    if found is None:
        raise no_credentials(endpoint)
    return FromChain(found, endpoint)


def no_credentials(endpoint: Endpoint) -> StoreError:
    """The error for an empty credentials chain: nothing was sent."""
    return StoreError(f"bucket {endpoint.bucket!r}: {NO_CREDENTIALS}", kind=StoreErrorKind.CONFIG)


class Provided(BotocoreCredentials):  # type: ignore[misc]  # botocore has no types
    """A source as botocore's credentials: asked whenever a request is signed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.method = "packhorse"
        self.account_id = None

    def get_frozen_credentials(self) -> Any:
        """As botocore's; raises StoreError when the source has none."""
        held = self._source.current()
        return ReadOnlyCredentials(held.access_key, held.secret_key, held.session_token)

    access_key = property(lambda self: self._source.current().access_key)
    secret_key = property(lambda self: self._source.current().secret_key)
    token = property(lambda self: self._source.current().session_token)


class Resolver:
    """Stands in for botocore's chain of providers."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def load_credentials(self) -> Any:
        """Called once by a session."""
        return Provided(self._source)


class FromChain(Source):
    """Credentials of botocore's chain: roles and SSO renew themselves before their end, and here when refused."""

    def __init__(self, credentials: Any, endpoint: Endpoint) -> None:
        super().__init__()
        self._credentials = credentials
        self._endpoint = endpoint

    def current(self) -> Credentials:
        """As :meth:`packhorse.stores.credentials.Source.current`."""
        with translating("signing for", "", self._endpoint):
            frozen = self._credentials.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _renew(self) -> bool:
        if not isinstance(self._credentials, RefreshableCredentials):
            return False
        before = self.current()
        # botocore has no public way to say that credentials are no longer good: they count as at their end from now on.
        self._credentials._expiry_time = datetime.now(UTC)
        return self.current() != before


def expired_after(response: Any, attempts: int, request_dict: dict[str, Any]) -> float | None:
    """When a first attempt began that S3 refused for its expired credentials; None for all other outcomes."""
    if response is None or attempts > 1 or response[1].get("Error", {}).get("Code") not in EXPIRED:
        return None
    began_s: float | None = request_dict.get("context", {}).get(BEGAN)
    return began_s


def note_begin(context: dict[str, Any], **_: Any) -> None:
    """A handler of ``before-call``: when the request began; and that it goes to one region, whatever S3 answers.

    botocore would look for a bucket's region and send the request there, by a search that does not end where redirects
    do not. Here a wrong region is an error, the same for every client.
    """
    context[BEGAN] = time.monotonic()
    context.setdefault("s3_redirect", {})["redirected"] = True


def watch(events: Any, source: Source | None) -> None:
    """Hook into a client: no redirects, and one repetition, signed anew, when S3 says its credentials had expired.

    No other retry is made here: S3 has refused without doing anything, and the cure is at hand.
    """
    events.register("before-call.s3", note_begin)
    if source is None:
        return

    def repeat(response: Any, attempts: int, request_dict: dict[str, Any], **_: Any) -> float | None:
        began_s = expired_after(response, attempts, request_dict)
        if began_s is None:
            return None
        return 0.0 if source.renewed_since(began_s) else None  # the seconds to wait, None: do not repeat

    events.register("needs-retry.s3", repeat)
