"""What both faces share: reading the arguments and making the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packhorse.errors import InputError, UnavailableError
from packhorse.profiles.loading import Profile, load_profile
from packhorse.stores.base import Endpoint
from packhorse.stores.url import parse_s3_url
from packhorse.uploader.engine import Engine
from packhorse.uploader.ledger import Stats
from packhorse.uploader.options import DEFAULT_MEMORY_BUDGET_BYTES, UploaderOptions


class Face:
    """Constructor and control of an uploader; ``Uploader`` and ``AsyncUploader`` add how captures are handed in."""

    def __init__(
        self,
        url: str,
        *,
        profile: str | Path | Profile | None = None,
        endpoint_url: str | None = None,
        redact: bool | Any = True,
        memory_budget_bytes: int = DEFAULT_MEMORY_BUDGET_BYTES,
        options: UploaderOptions | None = None,
    ) -> None:
        """Prepare an uploader. Nothing is connected and no thread is started until the first capture.

        Args:
            url: ``s3://bucket/prefix``; every key starts with the prefix.
            profile: Name of a packaged profile, path to a TOML file, a Profile, or None for the packaged default.
            endpoint_url: S3 endpoint; None for the standard AWS chain (``AWS_ENDPOINT_URL_S3``, then AWS itself).
            redact: True removes what the built-in rules know as secret, a ``Redactor`` brings its own rules, False
                uploads captures as they are.
            memory_budget_bytes: The most bytes that waiting and travelling captures may hold.
            options: Further settings.

        Raises:
            InputError: The URL or an option cannot be used.
            ProfileError: The profile cannot be loaded.
            UnavailableError: The profile's libraries are not installed.
        """
        chosen = options or UploaderOptions()
        bucket, prefix = parse_s3_url(url)
        if memory_budget_bytes <= 0:
            raise InputError(f"memory_budget_bytes is {memory_budget_bytes}; it must be above 0")
        if chosen.endpoint is not None and endpoint_url is not None:
            raise InputError("endpoint_url and options.endpoint both name an endpoint; give one of them")
        endpoint = replace(chosen.endpoint, bucket=bucket) if chosen.endpoint else Endpoint(bucket, url=endpoint_url)
        loaded = load_profile(profile)
        if loaded.pipeline.unavailable is not None:  # found out here, not in a worker
            raise UnavailableError(f"profile {loaded.name!r} cannot be used here: {loaded.pipeline.unavailable}")
        self._redaction = redaction(redact)
        self._engine = Engine(
            loaded,
            endpoint,
            prefix.rstrip("/"),
            chosen,
            budget_bytes=memory_budget_bytes,
            redact=self._redaction.apply,
        )

    @property
    def profile(self) -> Profile:
        """The profile in use."""
        return self._engine.profile

    def stats(self) -> Stats:
        """A consistent account: ``submitted == uploaded + spooled + dropped + failed + in_flight``."""
        return self._engine.stats(dict(self._redaction.counts()))

    def set_limits(self, *, max_in_flight: int | None = None, memory_budget_bytes: int | None = None) -> None:
        """Change limits while running; those not given stay.

        Raises:
            InputError: Below 1, or above the pool of the profile's store.
        """
        self._engine.set_limits(max_in_flight=max_in_flight, memory_budget_bytes=memory_budget_bytes)


@dataclass(frozen=True, slots=True)
class Redaction:
    """How captures are redacted (None: not at all), and what has been removed so far."""

    apply: Callable[[Any], Any] | None
    counts: Callable[[], Mapping[str, int]]


def redaction(redact: Any) -> Redaction:
    """The ``redact`` argument as what the engine needs."""
    if redact is False:
        return Redaction(None, dict)
    if redact is True:
        from packhorse.captures.redact import Redactor

        redact = Redactor()
    return Redaction(redact.capture, redact.report)
