"""Renewed credentials for aiobotocore: as :mod:`packhorse.stores.botocore_credentials`, off the event loop.

Credentials of its own chain renew themselves before their end, and are not renewed when S3 refuses them earlier.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiobotocore.credentials import AioCredentials
from botocore.credentials import ReadOnlyCredentials

from packhorse.stores.botocore_credentials import BEGAN, expired_after
from packhorse.stores.credentials import Source


class Provided(AioCredentials):  # type: ignore[misc]  # aiobotocore has no types
    """A source as aiobotocore's credentials: asked whenever a request is signed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        super().__init__("provided", "provided", method="packhorse")

    async def get_frozen_credentials(self) -> Any:
        """As aiobotocore's; raises StoreError when the source has none."""
        held = self._source.ready()
        if held is None:
            held = await asyncio.to_thread(self._source.current)
        return ReadOnlyCredentials(held.access_key, held.secret_key, held.session_token)


class Resolver:
    """Stands in for aiobotocore's chain of providers."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def load_credentials(self) -> Any:
        """Called once by a session."""
        return Provided(self._source)


def repeat_when_expired(events: Any, source: Source) -> None:
    """As :func:`packhorse.stores.botocore_credentials.repeat_when_expired`."""

    def begin(context: dict[str, Any], **_: Any) -> None:
        context[BEGAN] = time.monotonic()

    async def repeat(response: Any, attempts: int, request_dict: dict[str, Any], **_: Any) -> float | None:
        began_s = expired_after(response, attempts, request_dict)
        if began_s is None:
            return None
        return 0.0 if await asyncio.to_thread(source.renewed_since, began_s) else None

    events.register("before-call.s3", begin)
    events.register("needs-retry.s3", repeat)
