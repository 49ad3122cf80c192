"""How long obstore waits: its read timeout runs from a request's beginning, so that sending the body counts, too.

botocore's bounds each silence: 8 MiB that crawl up for a minute are no timeout there. For the same meaning here, larger
bodies go through clients that wait longer, as long as the body takes at :data:`SLOWEST_BYTES_PER_S`. A client is made
when a body of its class comes first; each has connections of its own.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from obstore.store import S3Store

from packhorse.stores.base import DEFAULT_PART_BYTES, Endpoint
from packhorse.stores.obstore_forks import check_alive, hold
from packhorse.units import KIB, MIB

#: The slowest upload that is not given up: 64 KiB/s each, 4 Mbit/s for eight at once.
SLOWEST_BYTES_PER_S = 64 * KIB
#: Upper bounds of body classes. Up to the first no time is added: it is sent in two seconds at that rate.
CLASSES = (128 * KIB, 1 * MIB, 8 * MIB)
PARTS = 0
#: For each request of a multipart upload; as the uploader's own ones for whole objects.
PART_RETRIES: Any = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=180),
    "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=10), "base": 2.0},
}


class Clients:
    """The clients of one store. Thread-safe."""

    def __init__(self, client: S3Store, endpoint: Endpoint) -> None:
        self._client = client
        self._endpoint = endpoint
        self._read_timeout_s = endpoint.read_timeout_s
        self._lock = threading.Lock()
        self._patient: dict[int, Any] = {}
        hold(self)

    def of(self, body_bytes: int) -> Any:
        """The client for a body, or for parts, of that size. Raises StoreError (``config``) in a forked child."""
        check_alive(self._endpoint)
        # Above the classes in powers of two, so that few clients are made whatever sizes come.
        size = next((bound for bound in CLASSES if body_bytes <= bound), 1 << (body_bytes - 1).bit_length())
        if size == CLASSES[0]:
            return self._client
        with self._lock:
            if size not in self._patient:
                self._patient[size] = self._like(self._read_timeout_s + size / SLOWEST_BYTES_PER_S)
            return self._patient[size]

    def parts(self) -> Any:
        """The client for multipart uploads. obstore makes their requests itself, so that it has to try them again, too.

        What is tried again is its choice: no answer, 429 and 5xx, and 200 with an error; no damaged part. Raises
        StoreError (``config``) in a forked child.
        """
        check_alive(self._endpoint)
        with self._lock:
            if PARTS not in self._patient:
                read_timeout_s = self._read_timeout_s + DEFAULT_PART_BYTES / SLOWEST_BYTES_PER_S
                self._patient[PARTS] = self._like(read_timeout_s, retry_config=PART_RETRIES)
            return self._patient[PARTS]

    def _like(self, read_timeout_s: float, **changed: Any) -> S3Store:
        known: Any = self._client
        settings = {"retry_config": known.retry_config, **changed}
        options: Any = {**known.client_options, "read_timeout": timedelta(seconds=read_timeout_s)}
        # obstore tells this one setting by another name than the one it takes.
        config = {("aws_" + name if name == "endpoint_url_s3" else name): value for name, value in known.config.items()}
        return S3Store(
            client_options=options,
            credential_provider=known.credential_provider,
            **settings,
            **config,
        )
