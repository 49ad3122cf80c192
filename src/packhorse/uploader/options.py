"""Settings of an uploader beyond the ones everybody sets, each with its unit and the reason for its default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packhorse import checks
from packhorse.checks import KINDS, Kind, check_wait, is_count, is_path, shown
from packhorse.errors import InputError
from packhorse.stores.base import Endpoint, Store
from packhorse.units import MIB
from packhorse.uploader.adaptive import Adaptive, Limit

__all__ = [
    "DEFAULT_MEMORY_BUDGET_BYTES",
    "UploaderOptions",
    "check",
    "check_deadline",
    "check_fields",
    "check_wait",
    "shown",
]

DEFAULT_MEMORY_BUDGET_BYTES = 256 * MIB
#: Cores this process may use.
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
ENCODE_THREADS = min(_CORES, 8)


def _is_limit(value: Any) -> bool:
    return is_count(value) or isinstance(value, Adaptive) or (isinstance(value, str) and value == "adaptive")


def _is_store(value: Any) -> bool:
    return not isinstance(value, type) and all(callable(getattr(value, name, None)) for name in ("put", "put_stream"))


_KINDS: Mapping[str, Kind] = {
    **KINDS,
    "str | Path": (is_path, "a folder as text or Path"),
    "Endpoint": (lambda value: isinstance(value, Endpoint), "a packhorse.Endpoint"),
    "Store": (_is_store, "a store client with put and put_stream"),
    "Limit": (_is_limit, "a number, 'adaptive', or Adaptive(...)"),
}


def check_fields(settings: Any) -> None:
    """As :func:`packhorse.checks.check_fields`. Raises InputError."""
    checks.check_fields(settings, _KINDS)


def check(name: str, value: Any, declared: str) -> None:
    """As :func:`packhorse.checks.check`. Raises InputError."""
    checks.check(name, value, declared, _KINDS)


def check_deadline(deadline_s: Any) -> None:
    """Check how long a close may take; 0 and less end at once.

    Raises:
        InputError: Not a finite number of seconds.
    """
    if deadline_s is None:
        raise InputError("deadline_s is None; give a finite number of seconds")
    check_wait("deadline_s", deadline_s)


@dataclass(frozen=True, slots=True)
class UploaderOptions:
    """Every further setting.

    Attributes:
        endpoint: Full endpoint with credentials; its bucket is taken from the URL. None: ``endpoint_url`` and the
            standard AWS chain.
        store: A client to use in place of the profile's; it stays the caller's to close.
        max_in_flight: Uploads at once: a number, ``"adaptive"``, or ``Adaptive(...)`` with its bounds; None takes the
            profile's measured value. The client's pool follows it.
        encode_threads: Captures that are encoded at once: by default as many as there are cores to use, 8 at the most,
            since orjson holds the GIL (docs/decisions/0004-engine.md).
        stream_above_bytes: Encoded size beyond which a capture goes up as multipart while it is still being encoded.
            Objects of brotli, snappy and no compression show damage only by a checksum that is known at their end: they
            are kept whole, within the memory budget.
        plain_sha256: Add the SHA-256 of the plain capture to its metadata and receipt: about 0.5 ms of CPU per MB. Its
            CRC-32 is always there, which is enough against damage (docs/decisions/0011-checksums.md). In streams,
            damage is still found by the checksum inside zstd, gzip, lz4, bzip2 and xz objects.
        max_attempts: The most PUTs for one capture, or of each request of a multipart upload.
        deadline_s: Seconds from submit after which a capture is not tried again. While S3 is out captures wait so long.
        backoff_base_s, backoff_max_s: Full-jitter pauses between attempts: uniform in [0, min(max, base·2^n)].
        close_deadline_s: Seconds that ``close()`` takes at the most. It drains; the last part of the time goes to
            spooling what is left; without a spool that is dropped, counted.
        exit_deadline_s: Seconds that an uploader which nobody has closed drains for when the interpreter exits. Then it
            spools, for 3 s at the most, and counts what is left in one log line.
        spool_dir: Folder for captures that S3 cannot take now; on a local disk, for one bucket name. A relative one is
            resolved here. None: no spool.
        spool_bytes: The most this process keeps there. 1 GiB is an hour of an outage at about 0.3 MB/s encoded.
        spool_max_age_s: Seconds after which a spooled capture is removed, counted as expired, once it was tried in
            vain.
        degrade: Let captures lose response bodies, then headers, before any is dropped for want of room. Only captures
            whose submitter does not wait (any more) are reduced.
        name: The uploader's name in metrics: up to 40 letters, digits, ``_``, ``-`` and dots. Uploaders of one name
            are added up.
        telemetry: Export metrics when the application has imported OpenTelemetry (docs/metrics.md).

    Raises:
        InputError: A value of another type than declared, or a number that is not finite and above 0.
    """

    endpoint: Endpoint | None = None
    store: Store | None = None
    max_in_flight: Limit | None = None
    encode_threads: int = ENCODE_THREADS
    stream_above_bytes: int = 8 * MIB
    plain_sha256: bool = False
    max_attempts: int = 10
    deadline_s: float = 300.0
    backoff_base_s: float = 0.2
    backoff_max_s: float = 10.0
    close_deadline_s: float = 30.0
    exit_deadline_s: float = 2.0
    spool_dir: str | Path | None = None
    spool_bytes: int = 1024 * MIB
    spool_max_age_s: float = 7 * 86_400.0
    degrade: bool = True
    name: str = "default"
    telemetry: bool = True

    def __post_init__(self) -> None:
        check_fields(self)
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", self.name):
            raise InputError(f"name is {self.name!r}; use 1 to 40 letters, digits, '_', '-' and dots")
        if self.spool_dir is not None:  # a daemon changes its folder later
            object.__setattr__(self, "spool_dir", os.path.abspath(self.spool_dir))
