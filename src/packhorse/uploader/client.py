"""The engine's store client: chosen by the profile, made late, closed last."""

from __future__ import annotations

import threading
from dataclasses import replace

from packhorse.errors import UnavailableError
from packhorse.pipeline import Choice
from packhorse.profiles.loading import Profile
from packhorse.stores import obstore_forks
from packhorse.stores.base import Endpoint, Store
from packhorse.uploader.adaptive import Adaptive
from packhorse.uploader.adaptive_permits import Limit, checked_limit
from packhorse.uploader.forks import first_use
from packhorse.uploader.options import UploaderOptions

#: Idle connections kept at the most, when the profile does not say: room for raising ``max_in_flight`` live.
ROOMY_POOL = 64


class Client:
    """The client of an uploader. ``Work`` adds queues and threads."""

    #: True once the last thread that could use the client may close it.
    stopping: bool

    def __init__(self, profile: Profile, endpoint: Endpoint, options: UploaderOptions) -> None:
        self.profile = profile
        self.endpoint = endpoint
        self.options = options
        self._store: Store | None = None
        self._store_lock = threading.Lock()
        self._used = False
        self._choice = _with_room(profile.pipeline.store, options.max_in_flight or profile.max_in_flight)
        if self._client_is_lost():
            why = f"{obstore_forks.WHAT}; {obstore_forks.WHAT_TO_DO}"
            raise UnavailableError(f"profile {profile.name!r} cannot be used here: {why}")

    def store(self) -> Store:
        """The store client, made once, when it is first needed, outside the engine's lock."""
        with self._store_lock:
            if self.options.store is not None:
                return self.options.store
            if self._store is None:
                with first_use():
                    self._store = self._made()
            return self._store

    def _client_is_lost(self) -> bool:
        """True when the client would be obstore's, in the child of a process that had used obstore."""
        return self.options.store is None and "obstore" in self._choice.candidate.dists and obstore_forks.lost()

    def _made(self) -> Store:
        choice = self._choice
        if choice.candidate.asynchronous:
            from packhorse.stores.bridge import SyncBridge

            return SyncBridge(lambda: choice.make(endpoint=self.endpoint))
        made: Store = choice.make(endpoint=self.endpoint)
        return made

    def _checked_limit(self, limit: Limit) -> int | Adaptive:
        pool = dict(self._choice.settings).get("pool") if self.options.store is None else None
        return checked_limit(limit, None if pool is None else int(pool), str(self._choice))

    def _close_store(self) -> None:
        with self._store_lock:
            store, self._store = (self._store, None) if self.stopping else (None, self._store)
        if store is not None:
            store.close()


def _with_room(choice: Choice | None, limit: Limit) -> Choice:
    """The store with a pool that leaves room to raise the limit, unless the profile's text names a pool itself."""
    assert choice is not None, "checked when the profile was loaded"
    if "pool" not in dict(choice.settings) or "pool" in dict(choice.given):
        return choice
    most = limit.max_in_flight if isinstance(limit, Adaptive) else limit if isinstance(limit, int) else 0
    return replace(choice, given=(*choice.given, ("pool", max(most, ROOMY_POOL))))
