"""A link as data: named presets with their sources, and the text by which a user names one."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from typing import Any

from packhorse.errors import InputError, did_you_mean

LOOPBACK = "loopback"
#: Bounds of a field that was given: beyond them lies a slip of the pen, not a network.
_LONGEST_MS = 10_000.0
_SLOWEST_MBIT, _FASTEST_MBIT = 0.01, 1_000_000.0


@dataclass(frozen=True, slots=True)
class Link:
    """A network between client and server.

    Attributes:
        name: The preset's name, or the text that the link was made from.
        delay_ms: Delay of every byte, one way, each way.
        jitter_ms: The delay varies by up to so much both ways, uniformly; bytes of a connection stay in order.
        service_ms: Least time from the last byte of a PUT or POST at the server to the first of its answer.
        up_mbit, down_mbit: Bandwidth of all connections together, client to server and back, 10⁶ bit/s; None: no limit.
        up_mbit_per_connection, down_mbit_per_connection: Bandwidth of one connection.
        source: Where the figures are from.
    """

    name: str = LOOPBACK
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    service_ms: float = 0.0
    up_mbit: float | None = None
    down_mbit: float | None = None
    up_mbit_per_connection: float | None = None
    down_mbit_per_connection: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        """Raise InputError for a figure that no network has, or a jitter above the delay."""
        for name in FIGURES:
            value = getattr(self, name)
            if value is None:
                continue
            low, high = (0.0, _LONGEST_MS) if name.endswith("_ms") else (_SLOWEST_MBIT, _FASTEST_MBIT)
            if not (math.isfinite(value) and low <= value <= high):
                raise InputError(f"link {self.name!r}: {name} is {value:g}; it must be from {low:g} to {high:g}")
        if self.jitter_ms > self.delay_ms:
            raise InputError(f"link {self.name!r}: jitter_ms is above delay_ms, so bytes would arrive before they left")

    @property
    def round_trip_ms(self) -> float:
        """Two delays: what a new connection costs, and again for its TLS handshake."""
        return 2 * self.delay_ms

    @property
    def answer_ms(self) -> float:
        """From the last byte of a small PUT to the first of its answer, on an open connection."""
        return self.round_trip_ms + self.service_ms

    def to_record(self) -> dict[str, Any]:
        """For the records: every field, JSON-able; what :func:`from_record` reads."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Link:
        """Read what :meth:`to_record` wrote."""
        return cls(**record)


#: The fields that a user may set.
FIGURES = tuple(field.name for field in fields(Link) if field.name not in {"name", "source"})


@cache
def presets() -> Mapping[str, Link]:
    """The packaged links by name."""
    text = (resources.files("packhorse.bench.lab.link") / "presets.toml").read_text(encoding="utf-8")
    return {name: Link(name=name, **values) for name, values in tomllib.loads(text).items()}


def parse_link(text: str) -> Link:
    """Read ``same-region``, ``delay_ms=30,up_mbit=20``, or a preset with changes: ``same-region,delay_ms=5``.

    A rate of ``none`` takes a preset's limit away.

    Raises:
        InputError: An unknown name or field, a field given twice, or a figure that cannot be.
    """
    words = [word.strip() for word in text.split(",")]
    link = Link(source="given by the user")
    if "=" not in words[0]:
        name = words.pop(0)
        if name not in presets():
            known = ", ".join(presets())
            raise InputError(
                f"link {name!r} is unknown{did_you_mean(name, presets())}; "
                f"there are {known}, or write for example delay_ms=30,up_mbit=20"
            )
        link = presets()[name]
        if not words:
            return link
    changes: dict[str, Any] = {}
    for word in words:
        field, _, value = (part.strip() for part in word.partition("="))
        if field not in FIGURES:
            raise InputError(f"link {text!r}: unknown field {field!r}; known are {', '.join(FIGURES)}")
        if field in changes:
            raise InputError(f"link {text!r}: {field} is given twice")
        changes[field] = _figure(text, field, value)
    source = f"{link.source} Changed by the user." if link.name != LOOPBACK else "given by the user"
    return replace(link, name=",".join(words) if link.name == LOOPBACK else text, source=source, **changes)


def _figure(text: str, field: str, value: str) -> float | None:
    if value.lower() == "none" and not field.endswith("_ms"):
        return None
    try:
        return float(value)
    except ValueError:
        raise InputError(f"link {text!r}: {field}={value!r} is not a number") from None
