"""Renewed credentials for botocore: a user's function as its credentials, and its own that are renewed when refused."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from botocore.credentials import Credentials as BotocoreCredentials
from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials

from packhorse.stores.base import Credentials
from packhorse.stores.botocore_errors import translating
from packhorse.stores.credentials import Source
from packhorse.stores.failure import EXPIRED

#: In a request's context: when it began, on the monotonic clock.
BEGAN = "packhorse_began_s"


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

    def __init__(self, credentials: Any, endpoint: Any) -> None:
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


def repeat_when_expired(events: Any, source: Source) -> None:
    """Let botocore send a request once more, signed anew, when S3 says that its credentials had expired.

    No other retry is made here: S3 has refused without doing anything, and the cure is at hand.
    """

    def begin(context: dict[str, Any], **_: Any) -> None:
        context[BEGAN] = time.monotonic()

    def repeat(response: Any, attempts: int, request_dict: dict[str, Any], **_: Any) -> float | None:
        began_s = expired_after(response, attempts, request_dict)
        if began_s is None:
            return None
        return 0.0 if source.renewed_since(began_s) else None  # the seconds to wait, None: do not repeat

    events.register("before-call.s3", begin)
    events.register("needs-retry.s3", repeat)


def expired_after(response: Any, attempts: int, request_dict: dict[str, Any]) -> float | None:
    """When a first attempt began that S3 refused for its expired credentials; None for all other outcomes."""
    if response is None or attempts > 1 or response[1].get("Error", {}).get("Code") not in EXPIRED:
        return None
    began_s: float | None = request_dict.get("context", {}).get(BEGAN)
    return began_s
