"""What a gate measures and tolerates: ``[tool.packhorse.gate]`` in the project's ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from packhorse.bench.lab.targets import LOCAL_TARGETS
from packhorse.bench.stats.signed_rank import least_blocks
from packhorse.errors import InputError
from packhorse.pipeline import Pipeline

TABLE = "tool.packhorse.gate"
#: Where a setting stands, for errors: what is given on the command line is not blamed on the file.
PLACE = f"pyproject.toml: {TABLE}"
#: Blocks of a measurement, rounds in each, and seconds of a sample: what finds +3 % of a CPU stage and +5 % end to end
#: in nine of ten gates (reports/gate-self-test.md).
DEFAULT_BLOCKS, DEFAULT_REPEATS, DEFAULT_SAMPLE_S = 10, 6, 0.05
#: Below this no row could pass or fail at the usual level.
FEWEST_BLOCKS = 6
_KINDS = ("call", "pipeline", "profile")


@dataclass(frozen=True, slots=True)
class GateRow:
    """One thing that is timed on both sides. Exactly one of ``call``, ``pipeline`` and ``profile`` is given.

    Attributes:
        name: Unique in its gate.
        call: ``module:function`` of the project; it gets a capture, or nothing if it takes nothing.
        pipeline: CPU stages of packhorse, or a whole pipeline whose uploads go one after the other.
        profile: Name or path of a profile, run by the side's ``Uploader``.
        in_flight: Uploads at once (``profile`` only).
        margin_ratio: Slowdown tolerated (0.01 = 1 %).
    """

    name: str
    call: str = ""
    pipeline: str = ""
    profile: str = ""
    in_flight: int = 8
    margin_ratio: float = 0.01

    @property
    def uploads(self) -> bool:
        """Whether the row needs an S3 target."""
        return bool(self.profile) or (bool(self.pipeline) and Pipeline.parse(self.pipeline).store is not None)

    def what(self) -> dict[str, Any]:
        """What a side's process has to know."""
        kind = next(kind for kind in _KINDS if getattr(self, kind))
        return {"name": self.name, kind: getattr(self, kind), "in_flight": self.in_flight}


@dataclass(frozen=True, slots=True)
class GateConfig:
    """A gate's settings, declared before anything is measured.

    Attributes:
        rows: What is timed.
        blocks: Blocks of a measurement; a second one is made of what the first did not settle.
        repeats: Rounds of each row in a block: samples of every process, in turns.
        sample_s: The least seconds of a sample.
        alpha: Level of every decision.
        install: What ``pip install`` is given in each checkout.
        captures: Files relative to the project's root; none takes packhorse's synthetic ones.
        target: The local server that rows that upload send to: ``rclone``, ``moto`` or ``seaweedfs``.
        seed: Seeds the order and the synthetic captures.
    """

    rows: tuple[GateRow, ...] = ()
    blocks: int = DEFAULT_BLOCKS
    repeats: int = DEFAULT_REPEATS
    sample_s: float = DEFAULT_SAMPLE_S
    alpha: float = 0.05
    install: tuple[str, ...] = (".",)
    captures: tuple[str, ...] = ()
    target: str = "rclone"
    seed: int = 1

    def margins(self) -> dict[str, float]:
        """Row → tolerated slowdown as a ratio."""
        return {row.name: row.margin_ratio for row in self.rows}


@dataclass(slots=True)
class _Table:
    """One table of the file, read key by key so that what is left over can be refused."""

    values: dict[str, Any]
    place: str
    taken: set[str] = field(default_factory=set)

    def take(self, name: str, kind: type | tuple[type, ...], default: Any) -> Any:
        self.taken.add(name)
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, kind):
            wanted = kind.__name__ if isinstance(kind, type) else "number"
            raise InputError(f"{self.place}: {name} must be a {wanted}, not {type(value).__name__}")
        return value

    def words(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        values = self.take(name, list, list(default))
        if not all(isinstance(value, str) for value in values):
            raise InputError(f"{self.place}: {name} must be a list of strings")
        return tuple(values)

    def finish(self) -> None:
        unknown = sorted(self.values.keys() - self.taken)
        if unknown:
            raise InputError(f"{self.place}: unknown field {unknown[0]!r}; known are {', '.join(sorted(self.taken))}")


def read_config(project: Path) -> GateConfig:
    """The gate's settings in ``project/pyproject.toml``; the defaults, without rows, where there are none.

    Raises:
        InputError: Unreadable, an unknown field, or a value out of bounds; names file and field.
    """
    file = project / "pyproject.toml"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return GateConfig()
    except (OSError, ValueError) as error:
        raise InputError(f"pyproject.toml: {error}") from error
    table: Any = data
    for part in TABLE.split("."):
        table = table.get(part, {})
        if not isinstance(table, Mapping):
            raise InputError(f"pyproject.toml: {TABLE}: must be a table")
    return parse_config(dict(table))


def parse_config(values: dict[str, Any]) -> GateConfig:
    """Read the table's values. Raises as :func:`read_config`."""
    table = _Table(values, PLACE)
    default = GateConfig()
    margin = float(table.take("margin", (int, float), 0.01))
    rows = table.take("rows", list, [])
    config = GateConfig(
        rows=tuple(_row(row, number, margin) for number, row in enumerate(rows, 1)),
        blocks=table.take("blocks", int, default.blocks),
        repeats=table.take("repeats", int, default.repeats),
        sample_s=float(table.take("sample_s", (int, float), default.sample_s)),
        alpha=float(table.take("alpha", (int, float), default.alpha)),
        install=table.words("install", default.install),
        captures=table.words("captures", default.captures),
        target=table.take("target", str, default.target),
        seed=table.take("seed", int, default.seed),
    )
    table.finish()
    return checked(config)


def checked(config: GateConfig, *, options: Mapping[str, str] = MappingProxyType({})) -> GateConfig:
    """``config`` if a gate can be run by it; whether its blocks are enough, :func:`check_blocks` says.

    Args:
        config: Any.
        options: Field → the option of the command line that set it, which is then named in its place.

    Raises:
        InputError: Names the field or the option, and what to do.
    """
    bounds = {
        "blocks": (FEWEST_BLOCKS, 1000),
        "repeats": (1, 100),
        "sample_s": (0.001, 10.0),
        "alpha": (1e-6, 0.5),
    }
    for name, (low, high) in bounds.items():
        value = getattr(config, name)
        if not low <= value <= high:
            raise InputError(f"{_named(name, options)} is {value}; it must be from {low} to {high}")
    names = [row.name for row in config.rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{PLACE}: two rows are called {twice!r}")
    if config.target not in LOCAL_TARGETS:
        # Not repeated in the message: the URL of an endpoint may hold a credential.
        raise InputError(
            f"{PLACE}: target must be {' or '.join(LOCAL_TARGETS)}: a gate's uploads go to a server on this machine, "
            "since another one would decide the outcome; race --target measures an endpoint of yours"
        )
    return config


def check_blocks(config: GateConfig, rows: int, *, options: Mapping[str, str] = MappingProxyType({})) -> None:
    """Refuse fewer blocks than a gate of so many rows needs to decide anything.

    Args:
        config: Its ``blocks`` and ``alpha``.
        rows: How many are compared.
        options: See :func:`checked`.

    Raises:
        InputError: Even blocks that all say the same could not reach the level; says how many could.
    """
    needed = max(FEWEST_BLOCKS, least_blocks(rows, config.alpha))
    if config.blocks < needed:
        counted = "1 row needs" if rows == 1 else f"{rows} rows need"
        raise InputError(
            f"{_named('blocks', options)} is {config.blocks}, but {counted} at least {needed} at alpha "
            f"{config.alpha:g}: with fewer, no result could be significant; measure more blocks (--blocks) or fewer "
            "rows (--row)"
        )


def _named(name: str, options: Mapping[str, str]) -> str:
    return options.get(name) or f"{PLACE}: {name}"


def _row(values: Any, number: int, margin: float) -> GateRow:
    place = f"pyproject.toml: {TABLE}.rows[{number}]"
    if not isinstance(values, Mapping):
        raise InputError(f"{place}: must be a table with a name and one of {', '.join(_KINDS)}")
    table = _Table(dict(values), place)
    row = GateRow(
        name=table.take("name", str, ""),
        **{kind: table.take(kind, str, "") for kind in _KINDS},
        in_flight=table.take("in_flight", int, 8),
        margin_ratio=float(table.take("margin", (int, float), margin)),
    )
    table.finish()
    given = [kind for kind in _KINDS if getattr(row, kind)]
    if not row.name:
        raise InputError(f"{place}: name is missing")
    if len(given) != 1:
        raise InputError(f"{place} ({row.name}): give exactly one of {', '.join(_KINDS)}, not {len(given)}")
    if row.call and not all(row.call.partition(":")):
        raise InputError(f"{place} ({row.name}): call is {row.call!r}; write module:function")
    if row.pipeline:
        Pipeline.parse(row.pipeline)
    if not 1 <= row.in_flight <= 1000:
        raise InputError(f"{place} ({row.name}): in_flight is {row.in_flight}; it must be from 1 to 1000")
    if not 0 < row.margin_ratio < 1:
        raise InputError(f"{place} ({row.name}): margin is {row.margin_ratio}; it must be between 0 and 1 (0.01 = 1 %)")
    return row
