"""A process that uses obstore and forks: ``python -m tests.uploader.fork_child STORE END URL``.

STORE is the client of the parent's profile; END is ``open``, ``closed`` or ``idle``, the state of its uploader at the
fork. The child ends as a worker does that leaves ``main``: with all that Python does then. Prints its exit status.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from packhorse.errors import StoreError, UploaderClosed
from packhorse.fetching import fetch
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.stores.base import Endpoint, ObjectInfo, Store
from packhorse.stores.bridge import SyncBridge
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from tests.uploader.test_fork import ended

CAPTURE = {"log": {"version": "1.2", "entries": []}}
BUCKET = "s3://bucket"


def arguments(store: str, endpoint: Endpoint) -> dict[str, Any]:
    profile = Profile("forked", Pipeline.parse(f"json | gzip:1 | raw | {store}"), max_in_flight=4)
    return {"profile": profile, "options": UploaderOptions(endpoint=endpoint, deadline_s=20.0, close_deadline_s=20.0)}


def said(error: type[Exception], make: Callable[[], Any]) -> Any:
    """The error, or None when there was none."""
    try:
        make()
    except error as raised:
        return raised
    return None


def child(inherited: list[Uploader], store: Store | None, endpoint: Endpoint) -> int:
    """What the child finds; 0 when all is as it should be."""
    for name in ("obstore", "obstore-async"):
        with Uploader(BUCKET, **arguments(name, endpoint)) as own:
            if own.submit(CAPTURE, key=f"child-{name}").result(60).attempts != 1:
                return 11
    if not all(map(as_the_parent_left_it, inherited)):
        return 12
    if store is not None and not goes_on(store):
        return 14
    if fetch(f"{BUCKET}/parent", endpoint=endpoint) != CAPTURE:
        return 15
    with Uploader(BUCKET, **arguments("boto3", endpoint)) as up:
        return 0 if up.submit(CAPTURE, key="child").result(60).attempts == 1 else 16


def as_the_parent_left_it(up: Uploader) -> bool:
    """Closed, or an uploader of the child's own."""
    if up._engine.closing:
        return said(UploaderClosed, lambda: up.submit(CAPTURE)) is not None
    return up.submit(CAPTURE).result(60).attempts == 1


def goes_on(store: Store) -> bool:
    """Whether the parent's store works in the child, by boto3. A bridge cannot: its loop is in a parent's thread."""
    refused = said(StoreError, lambda: store.put("key", b"", ObjectInfo()))
    store.close()
    return (refused is not None) == isinstance(store, SyncBridge)


def child_of_idle(up: Uploader, name: str, endpoint: Endpoint) -> int:
    """What the child finds whose parent had used nothing; 0 when all is as it should be."""
    with Uploader(BUCKET, **arguments(name, endpoint)) as own, up:
        for number, each in enumerate((own, up)):
            if each.submit(CAPTURE, key=f"child-{number}").result(60).attempts != 1:
                return 21 + number
    return 0 if fetch(f"{BUCKET}/child-0", endpoint=endpoint) == CAPTURE else 23


def main(name: str, end: str, url: str) -> None:
    endpoint = Endpoint("bucket", url, "us-east-1", "key", "secret", read_timeout_s=30)
    up, idle = (Uploader(BUCKET, **arguments(name, endpoint)) for _ in range(2))
    if end != "idle":
        up.submit(CAPTURE, key="parent").result(60)
    store = up._engine.client._stores.get(0)
    if end == "closed":
        store = None
        up.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking a process with threads is the point
        pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(60, exit=True)  # where it hangs, if it does
        status = child_of_idle(up, name, endpoint) if end == "idle" else child([up, idle], store, endpoint)
        faulthandler.cancel_dump_traceback_later()
        sys.exit(status)
    sys.stdout.write(f"child: {ended(pid)}\n")
    if end != "closed":
        sys.stdout.write(f"parent: {up.submit(CAPTURE).result(60).attempts}\n")
        up.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
