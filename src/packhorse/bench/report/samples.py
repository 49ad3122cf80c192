"""A record's samples as rows: one per arm and block, also those of warm-ups and of blocks that were measured again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]
Row = dict[str, Any]

#: Phases before the finals, in the order they are raced.
_STAGES = ("encode", "compress", "base64", "cross", "stores")
#: Columns in order, with their types. Seconds and bytes are totals over a sample's captures.
COLUMNS: dict[str, type] = {
    "kind": str, "phase": str, "arm": str, "pipeline": str, "role": str, "in_flight": int, "block": int, "rounds": int,
    "captures": int, "wall_s": float, "user_s": float, "system_s": float, "gc_s": float, "gc_collections": int,
    "bytes_out": int, "involuntary_switches": int, "steal_s": float, "other_busy_s": float, "latency_p50_s": float,
    "latency_p99_s": float, "put_s": float, "suspect": str,
}  # fmt: skip


def rows(record: Record) -> Iterator[Row]:
    """Every sample of a record with all of :data:`COLUMNS`; None where a sample has no such value.

    ``kind`` is ``measured``, ``suspect`` (measured again) or ``warm-up``.
    """
    about: dict[tuple[str, str], Row] = {}
    for phase, result in _measured(record):
        arm = result.get("arm") or result.get("candidate")
        facts = {key: result.get(key) for key in ("pipeline", "role", "in_flight")}
        for sample in result["samples"]:
            about[phase, sample["arm"]] = facts
            yield _row({**facts, **sample, "kind": "measured", "phase": phase, "arm": arm})
    for kind, key in (("suspect", "suspect_samples"), ("warm-up", "warmups")):
        for sample in record[key]:
            yield _row({**about.get((sample["phase"], sample["arm"]), {}), **sample, "kind": kind})


def _measured(record: Record) -> Iterator[tuple[str, Row]]:
    stages = record["stages"]
    for phase in (*(known for known in _STAGES if known in stages), *sorted(stages.keys() - set(_STAGES))):
        yield from ((phase, result) for result in stages[phase])
    yield from (("finals", result) for result in record["results"])
    yield from (("held-out", result) for result in record["held_out"]["results"])


def _row(found: Row) -> Row:
    return {**{key: found.get(key) for key in COLUMNS}, "suspect": "; ".join(found.get("suspect") or ())}
