"""Credentials that are renewed: before they expire, and when S3 says that they have."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import Credentials

#: Seconds before their end at which credentials are renewed: the AWS SDKs' margin.
RENEW_BEFORE_S = 300.0
#: Seconds between two tries to renew: a provider that fails or gives what S3 refuses is not asked for every request.
RENEW_EVERY_S = 1.0
#: Seconds for which a client may go on signing with credentials that have been renewed meanwhile (see obstore_client).
STALE_S = 0.15


class Source(ABC):
    """Where a store's credentials come from, when they can be renewed. Thread-safe."""

    def __init__(self) -> None:
        self._renewing = threading.Lock()
        self._renewed_s = self._tried_s = float("-inf")

    @abstractmethod
    def current(self) -> Credentials:
        """The credentials to sign with now; renewed first when they are about to expire.

        Raises:
            StoreError: kind ``config``: there are none that are still good.
        """

    def ready(self) -> Credentials | None:
        """What :meth:`current` would say, when it would say it at once."""
        return None

    @abstractmethod
    def _renew(self) -> bool:
        """Get others, holding the lock; True when they differ. Raises nothing but StoreError."""

    def renewed_since(self, began_s: float) -> bool:
        """Whether a request whose credentials S3 calls expired is worth one repetition, with others than it had.

        Gets them if nobody else has meanwhile.

        Args:
            began_s: When the request began, on the monotonic clock.
        """
        with self._renewing:
            if self._renewed_s > began_s - STALE_S:
                return True
            if self._tried_lately():
                return False
            self._tried_s = time.monotonic()
            try:
                changed = self._renew()
            except StoreError:
                return False
            if changed:
                self._renewed_s = time.monotonic()
            return changed

    def _tried_lately(self) -> bool:
        return time.monotonic() - self._tried_s < RENEW_EVERY_S


class Renewing(Source):
    """Credentials from a function of the user's."""

    def __init__(self, provider: Callable[[], Credentials], bucket: str) -> None:
        super().__init__()
        self._provider = provider
        self._bucket = bucket
        self._held: Credentials | None = None
        self._answers = 0
        self._failed_answers = 0  # in a row: one alone may be a hiccup, and whoever is next in line asks again
        self._failure: StoreError | None = None

    def current(self) -> Credentials:
        """As :meth:`Source.current`. While they are still good, one thread renews and the others go on."""
        held, answers = self._held, self._answers
        left_s = _left_s(held)
        needed = left_s <= 0
        if ready := self.ready():
            return ready
        if self._renewing.acquire(blocking=needed):
            try:
                if self._held is held:
                    if needed and self._failure is not None and self._failed_answers > 1 and self._answers != answers:
                        raise self._again(self._failure)  # all who waited for that answer share it
                    self._renew_if_possible(needed=needed)
            finally:
                self._renewing.release()
        assert self._held is not None  # else it was needed, and raised
        return self._held

    def ready(self) -> Credentials | None:
        """As :meth:`Source.ready`."""
        held = self._held
        left_s = _left_s(held)
        return held if left_s > RENEW_BEFORE_S or (left_s > 0 and self._tried_lately()) else None

    def _renew_if_possible(self, *, needed: bool) -> None:
        first = self._held is None
        self._tried_s = float("-inf") if first else time.monotonic()  # the first ones may be refused at once
        try:
            if self._renew() and not first:
                self._renewed_s = time.monotonic()
        except StoreError:
            if needed:
                raise

    @staticmethod
    def _again(failure: StoreError) -> StoreError:
        """A new one for each thread: raising one exception in several mixes their tracebacks up."""
        return StoreError(str(failure), kind=failure.kind)

    def _renew(self) -> bool:
        why = ""
        self._failure = None
        try:
            given = self._provider()
        except Exception as error:  # noqa: BLE001  # the user's function may raise anything, with secrets in its text
            why = f"raised {type(error).__name__}"
        else:
            if not isinstance(given, Credentials):
                why = f"returned {type(given).__name__} in place of packhorse.stores.base.Credentials"
            elif not _are_text(given):
                why = "returned keys that are not text"
            elif given.expires_at is not None and not isinstance(given.expires_at, datetime):
                why = "returned an expires_at that is no datetime"
            elif given.expires_at is not None and given.expires_at.tzinfo is None:
                why = "returned an expires_at without a time zone"
            elif _left_s(given) <= 0:
                why = "returned credentials that have expired"
        if why:
            text = f"bucket {self._bucket!r}: the credentials provider {why}"
            self._answers += 1
            self._failed_answers += 1
            self._failure = StoreError(text, kind=StoreErrorKind.CONFIG)
            raise self._again(self._failure) from None
        self._answers += 1
        self._failed_answers = 0
        changed = given != self._held
        self._held = given
        return changed


def _are_text(given: Credentials) -> bool:
    keys: tuple[object, ...] = (given.access_key, given.secret_key, given.session_token or "")
    return all(isinstance(key, str) for key in keys)


def _left_s(credentials: Credentials | None) -> float:
    if credentials is None:
        return 0.0
    if credentials.expires_at is None:
        return float("inf")
    return (credentials.expires_at - datetime.now(UTC)).total_seconds()
