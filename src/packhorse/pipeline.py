"""A pipeline as data: one candidate and its settings for each stage, as one line of text that parses and prints back.

    orjson-stream | zstd:1 | raw | obstore:pool=64

Grammar: ``encode | compress | base64 [| store]``, each ``name[:value][,key=value...]``. A pipeline without a store
describes the CPU stages alone. Settings left out take the registry's defaults. Printing gives back what was
written; equality goes by the values in force, so that ``zlib`` equals ``zlib:6``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from packhorse.errors import PipelineError
from packhorse.stages import registry
from packhorse.stages.base import Candidate, SettingValue, Stage

if TYPE_CHECKING:
    from packhorse.codec import Codec

#: The service this project comes from: streamed JSON, deflate, base64, an SDK client with its default pool.
ORIGINAL = "json-iterencode | zlib:6 | base64-stdlib | boto3:pool=10"
#: What most people write today.
COMMON = "orjson | gzip:6 | raw | boto3"
PRESETS = {"original": ORIGINAL, "common": COMMON}


@dataclass(frozen=True, slots=True)
class Choice:
    """One candidate with its settings.

    Attributes:
        candidate: The registry row.
        given: Settings as they were written, in the registry's order; printed back even where they equal the default.
        settings: Every setting with the value in force. Two choices are equal when these are.
    """

    candidate: Candidate
    given: tuple[tuple[str, SettingValue], ...] = field(default=(), compare=False)
    settings: tuple[tuple[str, SettingValue], ...] = field(init=False)

    def __post_init__(self) -> None:
        given = dict(self.given)
        in_force = tuple((s.name, given.get(s.name, s.default)) for s in self.candidate.settings)
        object.__setattr__(self, "settings", in_force)

    def __str__(self) -> str:
        by_name = {setting.name: setting for setting in self.candidate.settings}
        shown = [registry.show_setting(by_name[name], value) for name, value in self.given]
        return ":".join([self.candidate.name, ",".join(shown)]) if shown else self.candidate.name

    @classmethod
    def parse(cls, stage: Stage, text: str) -> Choice:
        """Read ``name:value,key=value``.

        Raises:
            PipelineError: Unknown candidate or setting, a value out of bounds, a setting given twice.
        """
        name, _, rest = text.strip().partition(":")
        row = registry.find(stage, name.strip())
        given: dict[str, SettingValue] = {}
        for item in filter(None, (part.strip() for part in rest.replace(":", ",").split(","))):
            key, equals, value = item.partition("=")
            setting, parsed = registry.read_setting(
                row, key.strip() if equals else None, value.strip() if equals else item
            )
            if setting.name in given:
                raise PipelineError(f"{row.name}: setting {setting.name!r} is given twice")
            given[setting.name] = parsed
        return cls(row, tuple((s.name, given[s.name]) for s in row.settings if s.name in given))

    def setting(self, name: str) -> SettingValue:
        """The value in force, the default included.

        Raises:
            PipelineError: The candidate has no such setting.
        """
        values = dict(self.settings)
        if name not in values:
            raise PipelineError(f"{self.candidate.name} has no setting {name!r}")
        return values[name]

    def make(self, **context: Any) -> Any:
        """Make the candidate's object. Raises UnavailableError when its library is missing."""
        return registry.make(self.candidate, dict(self.settings), **context)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A choice of one candidate per stage. Hashable, comparable, printable; holds no open resource."""

    encode_with: Choice
    compress: Choice
    base64: Choice
    store: Choice | None = None

    @classmethod
    def parse(cls, text: str) -> Pipeline:
        """Read one line.

        Args:
            text: ``encode | compress | base64`` with or without ``| store``, or the name of a preset (``original``,
                ``common``).

        Raises:
            PipelineError: The text does not follow the grammar; the message names the part that does not.
        """
        parts = PRESETS.get(text.strip(), text).split("|")
        if not 3 <= len(parts) <= 4 or not all(part.strip() for part in parts):
            raise PipelineError(
                f"{text!r} is not a pipeline: write 'encode | compress | base64 | store', for example {COMMON!r}"
            )
        return cls(*(Choice.parse(stage, part) for stage, part in zip(Stage, parts, strict=False)))

    def __str__(self) -> str:
        return " | ".join(str(choice) for choice in self.choices)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The three or four choices, in the data's order."""
        return tuple(c for c in (self.encode_with, self.compress, self.base64, self.store) if c is not None)

    @property
    def cpu(self) -> Pipeline:
        """The same pipeline without its store."""
        return replace(self, store=None)

    @property
    def wire(self) -> tuple[str, str, str]:
        """Wire formats of the three CPU stages: what a reader has to undo, from last to first."""
        return (self.encode_with.candidate.wire, self.compress.candidate.wire, self.base64.candidate.wire)

    @property
    def unavailable(self) -> str | None:
        """None when every stage can run here, otherwise why not."""
        for choice in self.choices:
            if (reason := registry.problem(choice.candidate)) is not None:
                return f"{choice.candidate.name}: {reason}"
        return None

    def codec(self) -> Codec:
        """Contexts for running the CPU stages many times in one thread.

        Raises:
            UnavailableError: A library is missing.
        """
        from packhorse.codec import Codec

        return Codec(self.encode_with.make(), self.compress.make(), self.base64.make())

    def encode(self, capture: Any) -> Iterator[bytes]:
        """Encode, compress and base64 one capture, as a stream of chunks. For many captures, keep a :meth:`codec`.

        Raises:
            CaptureError: The capture cannot be expressed as JSON.
            UnavailableError: A library is missing.
        """
        return self.codec().encode(capture)

    def decode(self, chunks: Iterable[bytes]) -> Any:
        """Undo :meth:`encode`.

        Raises:
            CorruptObjectError: The bytes are damaged or of another wire format.
        """
        return self.codec().decode(chunks)
