"""A provider of credentials that fails is asked again once, and no more for all who wait, not once for each of them."""

from __future__ import annotations

import threading

import pytest

from packhorse.errors import StoreError
from packhorse.stores.base import Credentials
from packhorse.stores.credentials import Renewing

WAITING = 8


class Counted:
    """A lock that counts who comes to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.came = threading.Semaphore(0)
        self.release = self._lock.release

    def acquire(self, blocking: bool = True) -> bool:
        self.came.release()
        return self._lock.acquire(blocking)


def test_those_who_waited_for_an_answer_share_it() -> None:
    calls, told, gate = [], [], threading.Event()

    def provider() -> Credentials:
        calls.append(1)
        assert gate.wait(90)
        raise OSError("the vault is sealed")

    source = Renewing(provider, "bucket")
    lock = Counted()
    source._renewing = lock  # type: ignore[assignment]

    def ask() -> None:
        with pytest.raises(StoreError, match="raised OSError") as caught:
            source.current()
        told.append(caught.value)

    threads = [threading.Thread(target=ask) for _ in range(WAITING)]
    for thread in threads:
        thread.start()
    for _ in threads:  # all of them stand before the lock: one that came late would ask again
        assert lock.came.acquire(timeout=60)
    gate.set()
    for thread in threads:
        thread.join()
    assert len(told) == len(set(map(id, told))) == WAITING
    assert len(calls) == 2
    with pytest.raises(StoreError):
        source.current()
    assert len(calls) == 3  # who comes later asks again


def test_one_failure_alone_costs_nobody_else_anything() -> None:
    calls, failed, gate = [], [], threading.Event()

    def provider() -> Credentials:
        calls.append(1)
        assert gate.wait(90)
        if len(calls) == 1:
            raise OSError("a hiccup of the vault")
        return Credentials("key", "secret")

    source = Renewing(provider, "bucket")
    lock = Counted()
    source._renewing = lock  # type: ignore[assignment]

    def ask() -> None:
        try:
            source.current()
        except StoreError as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(WAITING)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert lock.came.acquire(timeout=60)
    gate.set()
    for thread in threads:
        thread.join()
    assert (len(calls), len(failed)) == (2, 1)
