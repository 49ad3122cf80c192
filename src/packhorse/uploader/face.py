"""What both faces share: reading the arguments and making the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packhorse.errors import InputError, UnavailableError
from packhorse.profiles.loading import Profile, load_profile
from packhorse.stores.base import Endpoint
from packhorse.stores.url import check_url, parse_s3_url
from packhorse.uploader.adaptive_permits import Limit
from packhorse.uploader.checks import check, shown
from packhorse.uploader.engine import Engine, Limits
from packhorse.uploader.ledger import Stats
from packhorse.uploader.options import DEFAULT_MEMORY_BUDGET_BYTES, UploaderOptions


class Face:
    """Constructor and control of an uploader; ``Uploader`` and ``AsyncUploader`` add how captures are handed in."""

    def __init__(  # noqa: PLR0913  # what everybody sets; all else is in the options
        self,
        url: str,
        *,
        profile: str | Path | Profile | None = None,
        endpoint_url: str | None = None,
        redact: bool | Any = True,
        memory_budget_bytes: int = DEFAULT_MEMORY_BUDGET_BYTES,
        spool_dir: str | Path | None = None,
        options: UploaderOptions | None = None,
    ) -> None:
        """Prepare an uploader. Nothing is connected and no thread is started until the first capture.

        With a spool, entering the uploader's ``with`` block or the first capture takes over what dead processes left.

        Args:
            url: ``s3://bucket/prefix``; every key starts with the prefix.
            profile: Name of a packaged profile, path to a TOML file, a Profile, or None for the packaged default.
            endpoint_url: S3 endpoint; None for the standard AWS chain (``AWS_ENDPOINT_URL_S3``, then AWS itself).
            redact: True removes what the built-in rules know as secret, a ``Redactor`` brings its own rules, False
                uploads captures as they are.
            memory_budget_bytes: The most bytes that waiting and travelling captures may hold.
            spool_dir: Folder on a local disk for captures that S3 cannot take now (``options.spool_dir``); None for
                none. Made when it is first needed. One folder serves any number of processes, for one bucket name.
            options: Further settings.

        Raises:
            InputError: The URL or an option cannot be used.
            ProfileError: The profile cannot be loaded.
            UnavailableError: The profile's libraries are not installed, or its client is obstore and this process was
                forked after obstore had been used: the native threads that it needs are not there.
        """
        chosen = _chosen(options, spool_dir)
        if chosen.spool_dir is not None:
            _check_folder(Path(chosen.spool_dir))
        bucket, prefix = parse_s3_url(url)
        check("memory_budget_bytes", memory_budget_bytes, "int")
        if profile is not None and not isinstance(profile, (str, Path, Profile)):
            raise InputError(f"profile is {shown(profile)}; give a profile's name, a path, a Profile or None")
        check_url("endpoint_url", endpoint_url)
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
        self._engine.redactions = self._redaction.counts

    @property
    def profile(self) -> Profile:
        """The profile in use."""
        return self._engine.profile

    def stats(self) -> Stats:
        """A consistent account: ``submitted == uploaded + spooled + dropped + failed + in_flight``."""
        return self._engine.stats(dict(self._redaction.counts()))

    def set_limits(
        self,
        *,
        max_in_flight: Limit | None = None,
        memory_budget_bytes: int | None = None,
        encode_threads: int | None = None,
        spool_bytes: int | None = None,
        spool_max_age_s: float | None = None,
    ) -> None:
        """Change limits while running; those not given stay. Lower ones take effect as work in progress finishes.

        Args:
            max_in_flight: Uploads at once: a number, ``"adaptive"`` or ``Adaptive(...)``.
            memory_budget_bytes: The most bytes that waiting and travelling captures may hold.
            encode_threads: Threads that encode and compress.
            spool_bytes: The most this process keeps on disk. What is there already stays.
            spool_max_age_s: Seconds after which a spooled capture is removed.

        Raises:
            InputError: Of another type, not above 0, above the pool of the profile's store, or a spool's limit without
                a spool. No limit has changed then.
        """
        self._engine.set_limits(
            Limits(max_in_flight, memory_budget_bytes, encode_threads, spool_bytes, spool_max_age_s)
        )


@dataclass(frozen=True, slots=True)
class Redaction:
    """How captures are redacted (None: not at all), and what has been removed so far."""

    apply: Callable[[Any], Any] | None
    counts: Callable[[], Mapping[str, int]]


def _chosen(options: UploaderOptions | None, spool_dir: str | Path | None) -> UploaderOptions:
    if options is None:
        options = UploaderOptions()
    if not isinstance(options, UploaderOptions):
        raise InputError(f"options is {shown(options)}; give UploaderOptions(...) or None")
    return options if spool_dir is None else replace(options, spool_dir=spool_dir)


def _check_folder(folder: Path) -> None:
    try:
        usable = not folder.exists() or folder.is_dir()
    except OSError as error:
        why = f"cannot be used ({error.strerror})"
    else:
        why = "" if usable else "is no folder"
    if why:
        raise InputError(f"spool_dir {shown(str(folder))} {why}; give a folder on a local disk")


def redaction(redact: Any) -> Redaction:
    """The ``redact`` argument as what the engine needs. Raises InputError when it is none."""
    if redact is False:
        return Redaction(None, dict)
    if redact is True:
        from packhorse.redact import Redactor

        redact = Redactor()
    if not callable(getattr(redact, "capture", None)) or not callable(getattr(redact, "report", None)):
        raise InputError(f"redact is {shown(redact)}; give True, False or a Redactor")
    return Redaction(redact.capture, Counts(redact.report))


class Counts:
    """A redactor's counts, also for a signal handler that interrupts its own thread while that asks for them.

    The redactor counts under a lock that is not re-entrant: asking again in the same thread would wait for ever. Such a
    look gets the counts of the look before.
    """

    def __init__(self, report: Callable[[], Mapping[str, int]]) -> None:
        self._report = report
        self._last: Mapping[str, int] = {}
        self._asking: set[int] = set()

    def __call__(self) -> Mapping[str, int]:
        """Values removed so far, by rule."""
        thread = threading.get_ident()
        if thread in self._asking:
            return self._last
        self._asking.add(thread)
        try:
            self._last = self._report()
        finally:
            self._asking.discard(thread)
        return self._last
