"""Reading a profile: a published pipeline with its settings and where it comes from. TOML, never code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from packhorse.errors import PipelineError, ProfileError, did_you_mean
from packhorse.pipeline import Pipeline

SCHEMA_VERSION = 1
#: The name goes into every object's metadata, which is ASCII.
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
DEFAULT = "default"
_KEYS = {"schema_version", "name", "pipeline", "max_in_flight", "about", "figures", "provenance"}


@dataclass(frozen=True, slots=True)
class Profile:
    """A published winner.

    Attributes:
        name: Written into every object's metadata.
        pipeline: The whole pipeline, store included.
        max_in_flight: Uploads at once that the race found best; the uploader's default limit.
        about: One line for people.
        figures: What the race measured for it, with intervals where it has them.
        provenance: Record, captures' hashes, machine and versions behind the figures.
    """

    name: str
    pipeline: Pipeline
    max_in_flight: int
    about: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Short: figures and provenance have kilobytes."""
        return f"Profile({self.name!r}, {str(self.pipeline)!r}, max_in_flight={self.max_in_flight})"


def load_profile(profile: str | Path | Profile | None = None) -> Profile:
    """Load a profile.

    Args:
        profile: None for the packaged default, the name of a packaged profile, or a path to a TOML file (anything with
            a path separator or ending in ``.toml``). A Profile is handed back as it is.

    Raises:
        ProfileError: No such profile, unreadable, or against the schema; names the file and the field.
    """
    if isinstance(profile, Profile):
        return profile
    chosen = DEFAULT if profile is None else profile
    if isinstance(chosen, Path) or "/" in chosen or chosen.endswith(".toml"):
        path = Path(chosen)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise ProfileError(f"profile {path}: {reason}") from error
        return parse_profile(text, source=str(path))
    if chosen not in packaged_profiles():
        known = packaged_profiles()
        near = did_you_mean(chosen, known)
        raise ProfileError(
            f"no packaged profile is called {chosen!r}{near or '; there are: ' + ', '.join(known)} "
            "(or give a path to a .toml file)"
        )
    text = (resources.files("packhorse.profiles") / f"{chosen}.toml").read_text(encoding="utf-8")
    return parse_profile(text, source=f"packaged profile {chosen}")


def packaged_profiles() -> tuple[str, ...]:
    """Names of the profiles that came with the package."""
    files = resources.files("packhorse.profiles").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def parse_profile(text: str, *, source: str) -> Profile:
    """Read a profile's TOML text. Raises ProfileError naming ``source`` and the field."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{source}: not valid TOML: {error}") from error
    unknown = sorted(data.keys() - _KEYS)
    if unknown:
        raise ProfileError(f"{source}: unknown field {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    if data.get("schema_version") != SCHEMA_VERSION:
        raise ProfileError(
            f"{source}: schema_version is {data.get('schema_version')!r}, this packhorse reads {SCHEMA_VERSION}"
        )
    name = _field(data, "name", str, source)
    if not _NAME.fullmatch(name):
        raise ProfileError(f"{source}: name {name!r}: use 1 to 64 letters, digits, dots, hyphens and underscores")
    try:
        pipeline = Pipeline.parse(_field(data, "pipeline", str, source))
    except PipelineError as error:
        raise ProfileError(f"{source}: pipeline: {error}") from error
    if pipeline.store is None:
        raise ProfileError(f"{source}: pipeline: has no store stage, so nothing could be uploaded with it")
    max_in_flight = _field(data, "max_in_flight", int, source)
    if not 1 <= max_in_flight <= 10_000:
        raise ProfileError(f"{source}: max_in_flight is {max_in_flight}; it must be from 1 to 10000")
    return Profile(
        name,
        pipeline,
        max_in_flight,
        data.get("about", ""),
        _field(data, "figures", dict, source, default={}),
        _field(data, "provenance", dict, source, default={}),
    )


def _field(data: dict[str, Any], name: str, kind: type, source: str, default: Any = None) -> Any:
    value = data.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ProfileError(f"{source}: {name} must be a {kind.__name__}, not {type(value).__name__}")
    return value
