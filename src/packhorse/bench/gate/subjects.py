"""What ``--base`` and ``--head`` name: a revision of the project, a profile, or a race's record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from packhorse.bench.race.record import Plain, read_plain
from packhorse.errors import InputError
from packhorse.profiles.loading import load_profile, packaged_profiles

#: Machine fields of a record that have to agree: each changes what a timing means.
MACHINE_FIELDS = ("cpu_model", "architecture", "cores_usable", "cgroup_cpu_max", "python")


class SubjectKind(StrEnum):
    """What kind of thing is compared."""

    REVISION = "revision"
    PROFILE = "profile"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Subject:
    """One side as the user named it.

    Attributes:
        kind: What it is.
        text: As given; empty for the working tree.
        profile: Path or name of the profile that stands for a profile or a record.
        pipeline: Its pipeline.
        in_flight: Uploads at once that it asks for.
        record: The record, for records.
    """

    kind: SubjectKind
    text: str
    profile: str = ""
    pipeline: str = ""
    in_flight: int = 0
    record: Plain | None = None


def resolve(text: str, work: Path) -> Subject:
    """Find out what ``text`` names.

    A profile (packaged, or a ``.toml`` file), a record (a folder or a ``.json`` file), or else a revision.

    Args:
        text: As given on the command line.
        work: Where a profile is written for a record's winner.

    Raises:
        ProfileError, RecordError: The file is not what it seems to be.
        InputError: The record has no winner.
    """
    path = Path(text)
    if text in packaged_profiles() or text.endswith(".toml"):
        profile = load_profile(text)
        shown = text if text in packaged_profiles() else str(path.resolve())
        return Subject(SubjectKind.PROFILE, text, shown, str(profile.pipeline), profile.max_in_flight)
    if text.endswith(".json") or (path / "record.json").is_file():
        record = read_plain(path)
        winner = record["winner"]
        if not winner.get("pipeline"):
            raise InputError(f"{text}: that race has no winner, so there is nothing to compare with")
        file = work / f"record-{len(list(work.glob('record-*.toml')))}.toml"
        file.write_text(_as_profile(winner["pipeline"], winner["in_flight"]), encoding="utf-8")
        return Subject(SubjectKind.RECORD, text, str(file), winner["pipeline"], winner["in_flight"], record)
    return Subject(SubjectKind.REVISION, text)


def _as_profile(pipeline: str, in_flight: int) -> str:
    # A JSON string is a TOML basic string too.
    return f'schema_version = 1\nname = "record"\npipeline = {json.dumps(pipeline)}\nmax_in_flight = {in_flight}\n'


def check_comparable(
    subjects: Sequence[Subject], machine: Mapping[str, Any], link: str, captures: Mapping[str, str]
) -> None:
    """Refuse a record that was taken on another machine, link or captures than this gate uses.

    Args:
        subjects: Both sides.
        machine: This machine, as :func:`packhorse.bench.race.machine.describe` gives it.
        link: This gate's link.
        captures: Name → SHA-256 of the captures that this gate uses.

    Raises:
        InputError: Names the record, the field, and both values.
    """
    for subject in subjects:
        if subject.record is None:
            continue
        for field in MACHINE_FIELDS:
            _same(subject.text, f"machine.{field}", subject.record["machine"].get(field), machine.get(field))
        _same(subject.text, "link", _link_name(subject.record["link"]), link)
        theirs = {c["name"]: c["sha256"] for c in subject.record["captures"]}
        for name in sorted(theirs.keys() | captures.keys()):
            _same(subject.text, f"captures.{name}.sha256", theirs.get(name), captures.get(name))


def _link_name(link: Any) -> Any:
    return link.get("name") if isinstance(link, Mapping) else link


def _same(source: str, field: str, theirs: Any, ours: Any) -> None:
    if theirs != ours:
        raise InputError(
            f"{source}: {field} is {theirs!r} in the record and {ours!r} here; records of different runs are compared "
            "only where these agree. To measure both pipelines here, give profiles (packhorse publish) in their place"
        )
