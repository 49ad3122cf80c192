"""A record's samples as rows: one per arm and round, also those of warm-ups and of rounds that do not count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]
Row = dict[str, Any]

#: Columns in order, with their types. Seconds and bytes are totals over a sample's captures.
COLUMNS: dict[str, type] = {
    "kind": str, "phase": str, "arm": str, "pipeline": str, "role": str, "way": str, "in_flight": int, "process": int,
    "round": int, "capture": str, "captures": int, "raw_bytes": int, "wall_s": float, "user_s": float,
    "system_s": float, "server_s": float, "foreign_s": float, "gc_s": float, "gc_collections": int, "bytes_out": int,
    "connections": int, "latency_p50_s": float, "latency_p99_s": float, "put_s": float,
}  # fmt: skip


def rows(record: Record) -> Iterator[Row]:
    """Every sample of a record with all of :data:`COLUMNS`; None where a sample has no such value.

    ``kind`` is ``measured``, ``disturbed`` (not counted) or ``warm-up``.
    """
    published = record["published"]["results"] if record["published"] else ()
    about: dict[str, Row] = {}
    for phase, results in (("finals", record["results"]), ("published", published)):
        for result in results:
            facts = {key: result.get(key) for key in ("pipeline", "role", "way", "in_flight")}
            about.setdefault(result["arm"], facts)
            for sample in result["samples"]:
                kind = "measured" if sample["counted"] else "disturbed"
                yield _row({**facts, **sample, "kind": kind, "phase": phase})
    for sample in record["warmups"]:
        yield _row({**about.get(sample["arm"], {}), **sample, "kind": "warm-up"})


def _row(found: Row) -> Row:
    return {key: found.get(key) for key in COLUMNS}
