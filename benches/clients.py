"""What each S3 client does at each local server, as a table: ``python -m benches.clients``.

Each client stores a small object, one of 9 MiB in parts, and reads both back; then it is asked to keep what exists
(``create_only``). ``tests/test_clients.py`` holds the table in docs/howto/other-endpoints.md against it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

from packhorse.bench.lab.targets import LOCAL_TARGETS, Target, start_target
from packhorse.errors import PackhorseError, StoreError, StoreErrorKind, UnavailableError
from packhorse.stages import registry
from packhorse.stages.base import Candidate, Stage
from packhorse.stores import obstore_sync
from packhorse.stores.base import Endpoint, ObjectInfo, Store
from packhorse.stores.botocore_client import BotocoreClient
from packhorse.stores.bridge import SyncBridge
from packhorse.units import MIB

CLIENTS = {row.name: row for row in registry.candidates(Stage.STORE) if row.name != "memory"}
SERVERS = LOCAL_TARGETS
#: More than any client sends in one request.
LARGE_BYTES = 9 * MIB
INFO = ObjectInfo("application/json", "gzip", {"packhorse-wire": "json/gzip/raw"})
_CHUNK_BYTES = 700_001


def make_store(row: Candidate, endpoint: Endpoint, *, pool: int = 10) -> Store:
    """Any client as one that threads call; an asynchronous one over a bridge."""
    settings = {"pool": pool} if row.settings else {}
    if not row.asynchronous:
        store: Store = registry.make(row, settings, endpoint=endpoint)
        return store
    return SyncBridge(
        lambda: registry.make(row, settings, endpoint=endpoint),
        reader=lambda: obstore_sync.make(endpoint=endpoint, pool=2),
    )


def _reads(store: Store, key: str, body: bytes) -> bool:
    with store.open(key) as found:
        return found.info == INFO and b"".join(found.chunks) == body


def small(row: Candidate, target: Target) -> str:
    """One request."""
    body, key = random.Random(1).randbytes(20_000), f"clients/{row.name}/small"
    store = make_store(row, target.endpoint, pool=4)
    try:
        store.put(key, body, INFO)
        return "yes" if _reads(store, key, body) else "no"
    finally:
        store.close()


def large(row: Candidate, target: Target) -> str:
    """A stream, in parts where it is too large for one request."""
    body, key = random.Random(2).randbytes(LARGE_BYTES), f"clients/{row.name}/large"
    store = make_store(row, target.endpoint, pool=4)
    try:
        store.put_stream(key, (body[at : at + _CHUNK_BYTES] for at in range(0, len(body), _CHUNK_BYTES)), INFO)
        return "yes" if _reads(store, key, body) else "no"
    finally:
        store.close()


def create_only(row: Candidate, target: Target) -> str:
    """``yes`` when what exists stays, ``refused`` when the client says that it cannot, ``no`` when it is replaced."""
    key = f"clients/{row.name}/only"
    plain = obstore_sync.make(endpoint=target.endpoint, pool=1)
    plain.put(key, b"old", INFO)
    try:
        store = make_store(row, replace(target.endpoint, create_only=True), pool=4)
        try:
            store.put(key, b"new", INFO)
        finally:
            store.close()
    except StoreError as error:
        if not _reads(plain, key, b"old"):
            return "no"
        return "refused" if error.kind is StoreErrorKind.CONFIG else "yes"
    else:
        return "no"
    finally:
        plain.close()


def if_match(target: Target) -> str:
    """Whether the server heeds ``If-Match``, which ``packhorse redact s3://… --apply`` sends."""
    client, key = BotocoreClient(target.endpoint, 1), "clients/if-match"
    where = {"Bucket": target.endpoint.bucket, "Key": key}
    try:
        client.call("put", key, "put_object", **where, Body=b"old")
        client.call("put", key, "put_object", **where, Body=b"new", IfMatch='"' + "0" * 32 + '"')
    except StoreError:
        return "yes"
    else:
        return "no"
    finally:
        client.close()


WHATS: dict[str, Callable[[Candidate, Target], str]] = {
    "20 KB": small,
    "9 MiB in parts": large,
    "`create_only`": create_only,
}


def cell(what: str, client: str, target: Target | None) -> str:
    """One word of the table; ``?`` where the server or the client is not installed."""
    row = CLIENTS[client]
    if target is None or not registry.availability(row).available:
        return "?"
    try:
        return WHATS[what](row, target)
    except PackhorseError:
        return "no"


def started(name: str, opened: ExitStack) -> Target | None:
    """A local server, or None where it is not installed."""
    try:
        return opened.enter_context(start_target(name))
    except UnavailableError:
        return None


def table(targets: dict[str, Target | None]) -> Iterator[list[str]]:
    """Title row, and a row for each client and each thing it is asked for."""
    yield ["client", "what", *targets]
    for client in CLIENTS:
        for what in WHATS:
            yield [client, what, *(cell(what, client, target) for target in targets.values())]
    yield ["the server", "`If-Match`", *("?" if target is None else if_match(target) for target in targets.values())]


def main() -> int:
    """Print the table."""
    with ExitStack() as opened:
        rows = list(table({name: started(name, opened) for name in SERVERS}))
    rows.insert(1, ["---"] * len(rows[0]))
    sys.stdout.write("\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
