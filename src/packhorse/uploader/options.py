"""Settings of an uploader beyond the ones everybody sets, each with its unit and the reason for its default."""

from __future__ import annotations

from dataclasses import dataclass, fields

from packhorse.errors import InputError
from packhorse.stores.base import Endpoint, Store
from packhorse.units import MIB

DEFAULT_MEMORY_BUDGET_BYTES = 256 * MIB


@dataclass(frozen=True, slots=True)
class UploaderOptions:
    """Every further setting.

    Attributes:
        endpoint: Full endpoint with credentials; its bucket is taken from the URL. None: ``endpoint_url`` and the
            standard AWS chain.
        store: A client to use in place of the profile's; it stays the caller's to close.
        max_in_flight: Uploads at once; None takes the profile's measured value. The store's pool is never smaller:
            a profile's smaller pool is refused.
        encode_threads: Threads that encode and compress; 2 keeps two cores busy while uploads wait, and orjson holds
            the GIL, so that more bring nothing (docs/decisions/0004-engine.md).
        stream_above_bytes: Encoded size beyond which a capture goes up as multipart while it is still being encoded.
        plain_sha256: Hash the plain capture for its metadata and receipt: about 0.5 ms of CPU per MB. Without it,
            damage is still found by the checksum inside zstd, gzip, lz4, bzip2 and xz objects.
        max_attempts: The most PUTs for one capture.
        deadline_s: Seconds from submit after which a capture is not tried again.
        backoff_base_s, backoff_max_s: Full-jitter pauses between attempts: uniform in [0, min(max, base·2^n)].
        close_deadline_s: Seconds that ``close()`` drains before what is left is dropped, counted.
    """

    endpoint: Endpoint | None = None
    store: Store | None = None
    max_in_flight: int | None = None
    encode_threads: int = 2
    stream_above_bytes: int = 8 * MIB
    plain_sha256: bool = True
    max_attempts: int = 5
    deadline_s: float = 300.0
    backoff_base_s: float = 0.2
    backoff_max_s: float = 10.0
    close_deadline_s: float = 30.0

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and not value > 0:
                raise InputError(f"{option.name} is {value}; it must be above 0")
