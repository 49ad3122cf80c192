"""The engine's store client: chosen by the profile, made late, as large as the limit on uploads, closed last."""

from __future__ import annotations

from dataclasses import replace

from packhorse.errors import InputError
from packhorse.pipeline import Choice
from packhorse.profiles.loading import Profile
from packhorse.real_threads import current_ident, make_lock, replaced
from packhorse.stores import obstore_forks
from packhorse.stores.base import Endpoint, Store
from packhorse.uploader.adaptive import Adaptive, Limit, checked_limit
from packhorse.uploader.first_use import first_use
from packhorse.uploader.options import UploaderOptions

#: Idle connections kept at the least, when the profile does not say: room for raising ``max_in_flight`` live.
ROOMY_POOL = 64
#: Clients whose parent's threads are not there any more: closing one would reach into the parent's connections.
_abandoned: list[Store] = []


class Client:
    """The client of an uploader, and what it is made of."""

    def __init__(self, profile: Profile, endpoint: Endpoint, options: UploaderOptions) -> None:
        self.profile = profile
        self.endpoint = endpoint
        self.options = options
        self._lock = make_lock()
        #: One; where gevent has replaced sockets, which stay in the thread that made them, one for each thread.
        self._stores: dict[int, Store] = {}
        #: Clients that a larger one has replaced: requests may still run in them.
        self._outgrown: list[Store] = []
        choice = profile.pipeline.store
        assert choice is not None, "checked when the profile was loaded"
        self._choice = choice
        if "pool" in dict(choice.settings) and "pool" not in dict(choice.given):
            self._choice = _sized(choice, ROOMY_POOL)

    @property
    def pool(self) -> int | None:
        """Connections that the client keeps; None when it is the caller's own, or has no pool."""
        pool = dict(self._choice.settings).get("pool") if self.options.store is None else None
        return None if pool is None else int(pool)

    def first_limit(self, given: Limit | None) -> int | Adaptive:
        """The limit to begin with: the one given, for which the pool is made large enough, or the profile's own.

        Raises:
            InputError: Not a limit, or the profile's own is above the pool that it names itself.
        """
        if given is None:
            return checked_limit(self.profile.max_in_flight, self.pool, str(self._choice))
        return self.limit(given)

    def limit(self, given: Limit) -> int | Adaptive:
        """``given`` when it is a limit. The pool has a connection for each upload then: at least doubled, lest a limit
        that rises in steps makes a client for each. Raises InputError.
        """
        limit = checked_limit(given, None if given != "adaptive" else self.pool, str(self._choice))
        most = limit if isinstance(limit, int) else limit.max_in_flight
        with self._lock:
            pool = self.pool
            if pool is not None and most > pool:
                self._choice = _sized(self._choice, max(most, 2 * pool) if self._stores else most)
                self._outgrown.extend(self._stores.values())
                self._stores.clear()
        return limit

    def store(self) -> Store:
        """The store client, made once, when it is first needed, outside the engine's lock."""
        if self.options.store is not None:
            return self.options.store
        place = current_ident() if replaced() else 0
        store = self._stores.get(place)
        if store is None:
            with self._lock:
                store = self._stores.get(place)
                if store is None:
                    with first_use():
                        store = self._stores[place] = self._made()
        return store

    def is_lost(self) -> bool:
        """True when the client would be obstore's, in the child of a process that had used obstore."""
        return self.options.store is None and "obstore" in self._choice.candidate.dists and obstore_forks.lost()

    def close(self) -> None:
        """Close all connections: nobody uses them any more. A later :meth:`store` would make a new one."""
        with self._lock:
            stores = self._taken()
        for store in stores:
            store.close()

    def abandon(self) -> None:
        """In a forked child: never touch the parent's client again."""
        for store in self._taken():
            _abandoned.append(store)
            obstore_forks.keep(store)
        self._lock = make_lock()

    def _taken(self) -> list[Store]:
        stores, self._stores, self._outgrown = [*self._stores.values(), *self._outgrown], {}, []
        return stores

    def _made(self) -> Store:
        if self.is_lost():
            from packhorse.stores.obstore_client import boto3_in_place_of_obstore

            return boto3_in_place_of_obstore(self.endpoint, self.pool or ROOMY_POOL)
        choice = self._choice
        if choice.candidate.asynchronous:
            from packhorse.stores.bridge import SyncBridge

            return SyncBridge(lambda: choice.make(endpoint=self.endpoint))
        made: Store = choice.make(endpoint=self.endpoint)
        return made


def _sized(choice: Choice, pool: int) -> Choice:
    most = next((setting.high for setting in choice.candidate.settings if setting.name == "pool"), pool)
    if pool > most:
        raise InputError(f"max_in_flight is {pool} but the pool of {choice} holds at most {most} connections; lower it")
    return replace(choice, given=(*((n, v) for n, v in choice.given if n != "pool"), ("pool", pool)))
