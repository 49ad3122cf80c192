"""Turning a race record's winner into a profile file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w

from packhorse.errors import RecordError
from packhorse.files import appearing
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import SCHEMA_VERSION, Profile, parse_profile

#: The conditions that a record can be judged under, in words that go on from "pipelines".
REQUIRED = {
    "plain": "whose objects are one gzip stream of JSON",
    "text": "whose objects are base64 text",
    "threads": "whose client is called from threads",
}
#: A distribution's name, at the start of a requirement.
_DIST = re.compile(r"[A-Za-z0-9._-]+")
#: What a profile keeps of a measurement, where the record has it.
_FIGURES = (
    "captures_per_s",
    "raw_bytes_per_s",
    "wall_s",
    "cpu_s",
    "bytes_out",
    "speedup_over_reference",
    "speedup_over_common",
)


def publish(record: Mapping[str, Any], *, name: str, record_text: bytes) -> str:
    """The winner of ``record`` as a profile's TOML text.

    Args:
        record: A race record (see ``race/record.schema.json``).
        name: Name of the profile; it goes into every object's metadata.
        record_text: The record's bytes as stored; their SHA-256 ties the profile to its evidence.

    Raises:
        RecordError: The record names no winner, or a pipeline that cannot upload.
    """
    winner = record.get("winner") or {}
    text = winner.get("pipeline")
    required = record.get("require")
    if not text and required and not record.get("interrupted"):
        raise RecordError(
            f"no pipeline {REQUIRED[required]} can win in this record (--require {required}); such pipelines are taken "
            f"to a race's end by 'packhorse race --also {required}'"
        )
    if not text:
        raise RecordError("the record names no winner: nothing was eligible, or the race was stopped too early")
    pipeline = Pipeline.parse(text)
    if pipeline.store is None or pipeline.store.candidate.name == "memory":
        raise RecordError(f"the winner {text!r} has no store that uploads; race against a target")
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "about": _about(winner, record.get("objective") or "throughput", record.get("require")),
        "pipeline": text,
        "max_in_flight": int(winner["in_flight"]),
        "figures": _figures(record, winner),
        "provenance": _provenance(record, pipeline, record_text),
    }
    toml = tomli_w.dumps(_without_none(document), multiline_strings=False)
    parse_profile(toml, source="published profile")  # what is written can be read
    return toml


def extras(pipeline: Pipeline) -> list[str]:
    """The extras of packhorse that ``pipeline`` needs beside what packhorse itself brings."""
    own = {found[0] for one in metadata.requires("packhorse") or () if ";" not in one and (found := _DIST.match(one))}
    rows = [choice.candidate for choice in pipeline.choices]
    return sorted({row.extra for row in rows if row.extra and not own.issuperset(row.dists)})


def write_profile(toml: str, path: Path) -> Profile:
    """Write a profile so that it appears whole or not at all, and hand it back as loaded."""
    profile = parse_profile(toml, source=str(path))
    with appearing(path) as file:
        file.write(toml.encode())
    return profile


def _about(winner: Mapping[str, Any], objective: str, require: str | None) -> str:
    count = len(winner.get("set") or [])
    among = f" of those {REQUIRED[require]}" if require else ""
    if winner.get("conclusive") is False:
        return f"from an inconclusive race ({winner.get('why')}): not shown to be the best by {objective}{among}"
    if winner.get("named"):
        if objective == "throughput":
            return f"the one fastest pipeline of its race{among}"
        return f"the one best by {objective}{among}"
    by = "" if objective == "throughput" else f" by {objective}"
    told = winner.get("decided_by")
    return f"chosen from {count} pipelines{among} that its race could not tell apart{by} ({told})"


def _figures(record: Mapping[str, Any], winner: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of the last measurement, on captures that the race had not seen; those of the race go beside them.

    Where there was no last measurement the race's own stand in its place, and ``measured_on`` says so.
    """
    raced = {key: winner.get(key) for key in _FIGURES}
    held_out = winner.get("held_out")
    published = {key: held_out.get(key) for key in _FIGURES} if held_out else raced
    return {
        "measured_on": held_out.get("on") if held_out else "the captures that were raced on",
        **published,
        # Memory is measured once, on the captures that were raced on.
        "peak_rss_bytes": winner.get("peak_rss_bytes"),
        "objective": record.get("objective"),
        "require": record.get("require"),
        "usd_per_million": _dollars(record, winner),
        **({"raced": raced} if held_out else {}),
    }


def _dollars(record: Mapping[str, Any], winner: Mapping[str, Any]) -> float | None:
    """Of the race, where it was judged by cost: prices are in the record."""
    rows = (row for row in record.get("results", ()) if row.get("pipeline") == winner["pipeline"])
    priced = (row["usd_per_million"]["total"] for row in rows if row.get("usd_per_million"))
    return next(priced, None)


def _provenance(record: Mapping[str, Any], pipeline: Pipeline, record_text: bytes) -> dict[str, Any]:
    dists = {dist for choice in pipeline.choices for dist in choice.candidate.dists}
    versions = record.get("versions") or {}
    libraries = versions.get("libraries") or {}
    target = record.get("target") or {}
    return {
        "record_sha256": hashlib.sha256(record_text).hexdigest(),
        "packhorse_version": versions.get("packhorse"),
        "command": record.get("command"),
        "judged_from": (record.get("judged") or {}).get("from_objective"),
        "reference": record.get("reference"),
        "link": record.get("link"),
        "target": {key: target.get(key) for key in ("name", "version")},
        "machine": record.get("machine"),
        "versions": {dist: libraries[dist] for dist in sorted(dists) if dist in libraries},
        "captures": [{"name": c["name"], "sha256": c["sha256"]} for c in record["captures"]],
    }


def _without_none(value: Any) -> Any:
    """TOML has no null: fields without a value are left out."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(item) for item in value if item is not None]
    return value
