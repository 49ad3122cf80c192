"""Looking up candidates, checking whether they can run here, and making them.

The rows themselves are data, in :mod:`packhorse.stages.candidates`. Nothing here imports a codec or an SDK until a
candidate is made or its version is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packhorse.errors import InputError, PipelineError, UnavailableError, did_you_mean
from packhorse.stages.base import Candidate, Setting, SettingValue, Stage
from packhorse.stages.candidates import CANDIDATES
from packhorse.units import exact_bytes, parse_bytes

_BY_KEY = {(row.stage, row.name): row for row in CANDIDATES}
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a candidate can run here.

    Attributes:
        candidate: The row.
        reason: None when it can run; otherwise why not, and what to install.
        versions: Distribution name → installed version.
        core_version: Version of the C, C++ or Rust core it uses, where it has one that it tells.
    """

    candidate: Candidate
    reason: str | None
    versions: Mapping[str, str]
    core_version: str | None

    @property
    def available(self) -> bool:
        """True when the candidate can run here."""
        return self.reason is None


def candidates(stage: Stage | None = None) -> tuple[Candidate, ...]:
    """All rows, or those of one stage, in registry order. Unavailable ones are never left out."""
    return tuple(row for row in CANDIDATES if stage is None or row.stage == stage)


def find(stage: Stage, name: str) -> Candidate:
    """The row called ``name``.

    Raises:
        PipelineError: There is no such candidate in this stage; the message lists those that exist.
    """
    row = _BY_KEY.get((stage, name))
    if row is None:
        known = [candidate.name for candidate in candidates(stage)]
        near, there_are = did_you_mean(name, known), f"; there are: {', '.join(known)}"
        if not near and (other := next((row.stage for row in CANDIDATES if row.name == name), None)):
            near = f"; {name} is a candidate of the stage {other}"
        raise PipelineError(f"no {stage} candidate is called {name!r}{near or there_are}")
    return row


def availability(row: Candidate) -> Availability:
    """Import the candidate's module and ask for its versions. Never raises: what goes wrong becomes the reason."""
    from importlib import metadata  # 25 ms, which an uploader's start can do without

    versions: dict[str, str] = {}
    missing: list[str] = []
    for dist in row.dists:
        try:
            versions[dist] = metadata.version(dist)
        except metadata.PackageNotFoundError:
            missing.append(dist)
    if missing:
        return Availability(row, f"{', '.join(missing)} not installed: {_remedy(row)}", versions, None)
    try:
        core = importlib.import_module(row.module).core_version()
    except Exception as error:  # noqa: BLE001  # a broken native library may raise anything on import
        return Availability(row, f"{type(error).__name__} on import: {error}", versions, None)
    return Availability(row, None, versions, core)


def problem(row: Candidate) -> str | None:
    """Why the candidate cannot run here, as :func:`availability` says it; None when it can.

    Whoever only wants to know that need not pay for reading the versions of distributions (about 25 ms).
    """
    try:
        importlib.import_module(row.module)
    except Exception:  # noqa: BLE001  # as above
        return availability(row).reason or "it cannot be imported"
    return None


def make(row: Candidate, settings: Mapping[str, SettingValue], **context: Any) -> Any:
    """Make the candidate's encoder, transform or store with all its settings, defaults included.

    Args:
        row: The candidate.
        settings: Checked settings that differ from the defaults.
        context: What the stage's ``make`` needs beyond settings (a store's endpoint).

    Raises:
        UnavailableError: Its library is missing or does not load.
    """
    try:
        module = importlib.import_module(row.module)
    except ImportError as error:
        raise UnavailableError(f"{row.stage} candidate {row.name!r} cannot be used: {error}; {_remedy(row)}") from error
    chosen = {setting.name: settings.get(setting.name, setting.default) for setting in row.settings}
    return module.make(**context, **chosen)


def read_setting(row: Candidate, name: str | None, text: str) -> tuple[Setting, SettingValue]:
    """Parse one ``key=value`` (or, with ``name`` None, a positional ``value``) written after a candidate's name.

    Raises:
        PipelineError: Unknown key, no positional setting, or a value out of bounds. Says what is allowed.
    """
    setting = next((s for s in row.settings if (s.positional if name is None else s.name == name)), None)
    if setting is None:
        known = ", ".join(s.name for s in row.settings) or "none"
        what = f"{text!r} needs a setting's name" if name is None else f"has no setting {name!r}"
        raise PipelineError(f"{row.name}: {what}; its settings are: {known}")
    return setting, _parse_value(row, setting, text)


def show_setting(setting: Setting, value: SettingValue) -> str:
    """The setting as it is written in a pipeline (``6`` for a positional one, ``chunk=256KiB`` otherwise)."""
    if setting.kind == "bytes":
        text = exact_bytes(int(value))
    elif setting.kind == "bool":
        text = "true" if value else "false"
    else:
        text = str(value)
    return text if setting.positional else f"{setting.name}={text}"


def _parse_value(row: Candidate, setting: Setting, text: str) -> SettingValue:
    where = f"{row.name}:{setting.name}"
    if setting.kind == "choice":
        if text not in setting.choices:
            raise PipelineError(f"{where}={text!r} is not one of {', '.join(setting.choices)}")
        return text
    if setting.kind == "bool":
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise PipelineError(f"{where}={text!r} is neither true nor false")
    try:
        number = parse_bytes(text) if setting.kind == "bytes" else int(text)
    except InputError as error:
        raise PipelineError(f"{where}: {error}") from error
    except ValueError as error:
        raise PipelineError(f"{where}={text!r} is not a whole number") from error
    if not setting.low <= number <= setting.high:
        raise PipelineError(f"{where}={text} is out of bounds: {setting.low} to {setting.high}")
    return number


def _remedy(row: Candidate) -> str:
    return f"pip install 'packhorse[{row.extra}]'" if row.extra else "it is part of Python's standard library"
