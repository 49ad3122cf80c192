"""A fault script: which faults happen when, how often and to what. Data, seeded, with a JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from packhorse.errors import InputError


class Layer(StrEnum):
    """Where a kind of fault acts."""

    NAME = "name"  # the endpoint's host name: nothing reaches the server
    LISTENER = "listener"  # while it lasts, nothing is accepted
    HANDSHAKE = "handshake"  # one TLS handshake
    WIRE = "wire"  # the bytes of one request or of its answer
    ANSWER = "answer"  # S3 says no; nothing is stored


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault: where it acts, what happens, and which settings mean something for it."""

    layer: Layer
    about: str
    settings: frozenset[str] = frozenset()


def _kind(layer: Layer, about: str, *settings: str) -> Kind:
    return Kind(layer, about, frozenset(settings))


KINDS: Mapping[str, Kind] = {
    "dns": _kind(Layer.NAME, "the endpoint's host name does not resolve"),
    "refuse": _kind(Layer.LISTENER, "connections are refused, open ones reset"),
    "black-hole": _kind(Layer.WIRE, "requests are swallowed: never answered, never closed, also after the hole ends"),
    "tls-untrusted": _kind(Layer.HANDSHAKE, "the certificate comes from a CA that the client does not trust"),
    "tls-expired": _kind(Layer.HANDSHAKE, "the certificate has expired"),
    "reset-before-body": _kind(Layer.WIRE, "the connection is reset when the request's head has come"),
    "reset-inside-body": _kind(Layer.WIRE, "it is reset after a share of the body", "fraction"),
    "reset-after-body": _kind(Layer.WIRE, "it is reset after the whole body; nothing is stored"),
    "lost-answer": _kind(Layer.WIRE, "the object is stored, then the connection is reset without an answer", "delay_s"),
    "truncated-answer": _kind(Layer.WIRE, "the object is stored, then the answer is cut inside its head"),
    "stall": _kind(Layer.WIRE, "after a share of the body nothing is read for delay_s", "fraction", "delay_s"),
    "slow-reading": _kind(Layer.WIRE, "the body is read at rate_bytes_per_s", "rate_bytes_per_s"),
    "slow-answer": _kind(Layer.WIRE, "the answer comes delay_s later", "delay_s"),
    "damaged-body": _kind(Layer.WIRE, "one byte changes on the way; S3 finds out if the client sent a checksum"),
    "500": _kind(Layer.ANSWER, "500 InternalError", "retry_after_s"),
    "503": _kind(Layer.ANSWER, "503 SlowDown", "retry_after_s"),
    "200-error": _kind(Layer.ANSWER, "200 with an error as body (InternalError)"),
    "request-timeout": _kind(Layer.ANSWER, "400 RequestTimeout"),
    "bad-digest": _kind(Layer.ANSWER, "400 BadDigest"),
    "307": _kind(Layer.ANSWER, "307 TemporaryRedirect to the same address"),
    "expired-token": _kind(Layer.ANSWER, "400 ExpiredToken"),
    "clock-skew": _kind(Layer.ANSWER, "403 RequestTimeTooSkewed"),
    "denied": _kind(Layer.ANSWER, "403 AccessDenied"),
    "no-bucket": _kind(Layer.ANSWER, "404 NoSuchBucket"),
    "409": _kind(Layer.ANSWER, "409 OperationAborted"),
    "412": _kind(Layer.ANSWER, "412 PreconditionFailed"),
    "501": _kind(Layer.ANSWER, "501 NotImplemented"),
    "portal": _kind(Layer.ANSWER, "a captive portal answers 200 with an entity tag; nothing is stored"),
}
#: Requests by what they are for; a fault hits all that write unless it names some.
OPERATIONS = ("put", "begin", "part", "finish", "abort", "get", "list")
WRITES = ("put", "begin", "part", "finish")
_TUNABLE = {"retry_after_s", "delay_s", "rate_bytes_per_s", "fraction"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. It is *active* from ``at_s`` on, for ``for_s``; an active one hits each request with ``probability``.

    Attributes:
        kind: A name in :data:`KINDS`.
        probability: Per request (``tls-…``: per connection). 1 for ``dns`` and ``refuse``, which hit everything.
        at_s, for_s: Seconds since the script began, and how long; None: to the end.
        times: Hits at the most, in all.
        first_requests: Only the first so many requests of each key and operation are hit.
        operations: Of :data:`OPERATIONS`.
        retry_after_s: Sent as ``Retry-After`` with 500 and 503; None sends none.
        delay_s: Seconds of ``stall``, ``slow-answer``, and before ``lost-answer`` hangs up.
        rate_bytes_per_s: Of ``slow-reading``.
        fraction: Share of the body that is read first.

    Raises:
        InputError: Unknown kind or operation, a setting out of range, or one that means nothing for this kind.
    """

    kind: str
    probability: float = 1.0
    at_s: float = 0.0
    for_s: float | None = None
    times: int | None = None
    first_requests: int | None = None
    operations: tuple[str, ...] = WRITES
    retry_after_s: float | None = None
    delay_s: float = 0.0
    rate_bytes_per_s: float | None = None
    fraction: float = 0.5

    def __post_init__(self) -> None:
        known = KINDS.get(self.kind)
        if known is None:
            raise InputError(f"fault kind {self.kind!r} is unknown; there are: {', '.join(KINDS)}")
        for option in fields(self):
            changed = getattr(self, option.name) != option.default
            if changed and option.name in _TUNABLE - known.settings:
                raise InputError(f"fault {self.kind!r}: {option.name} means nothing for it")
        if unknown := [name for name in self.operations if name not in OPERATIONS]:
            raise InputError(f"fault {self.kind!r}: operation {unknown[0]!r} is unknown; use {', '.join(OPERATIONS)}")
        self._check_ranges(known.layer)

    def _check_ranges(self, layer: Layer) -> None:
        for name in ("probability", "fraction"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"fault {self.kind!r}: {name} is {getattr(self, name)}; it must be in 0 to 1")
        for name in ("at_s", "for_s", "times", "first_requests", "retry_after_s", "delay_s"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise InputError(f"fault {self.kind!r}: {name} is {value}; it must not be below 0")
        if self.rate_bytes_per_s is not None and not self.rate_bytes_per_s > 0:
            raise InputError(f"fault {self.kind!r}: rate_bytes_per_s must be above 0")
        if self.kind == "slow-reading" and self.rate_bytes_per_s is None:
            raise InputError("fault 'slow-reading' needs rate_bytes_per_s")
        if layer in {Layer.NAME, Layer.LISTENER} and self.probability < 1:
            raise InputError(f"fault {self.kind!r} hits everything while it lasts; its probability is 1")

    @property
    def layer(self) -> Layer:
        """Where it acts."""
        return KINDS[self.kind].layer

    def active(self, now_s: float) -> bool:
        """True within its time window; ``now_s`` counts from the script's beginning."""
        return self.at_s <= now_s and (self.for_s is None or now_s < self.at_s + self.for_s)


@dataclass(frozen=True, slots=True)
class FaultScript:
    """Faults in order of precedence (the first one that hits a request acts alone), and the seed of their dice."""

    faults: tuple[Fault, ...] = field(default=())
    seed: int = 0

    def to_json(self) -> str:
        """The script as one JSON object; :meth:`from_json` gives an equal one back."""
        return json.dumps({"seed": self.seed, "faults": [_sparse(fault) for fault in self.faults]})

    @classmethod
    def from_json(cls, text: str | bytes) -> FaultScript:
        """Read a script.

        Raises:
            InputError: Not JSON, a member that is unknown or of the wrong type, or a fault that :class:`Fault` refuses.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise InputError(f"the fault script is not JSON: {error}") from None
        if not isinstance(document, dict) or document.keys() - {"seed", "faults"}:
            raise InputError('a fault script is {"seed": 7, "faults": [{"kind": "503"}, …]} with no other members')
        rows, seed = document.get("faults", []), document.get("seed", 0)
        if not isinstance(rows, list) or not isinstance(seed, int):
            raise InputError("in a fault script, faults is a list and seed a whole number")
        return cls(tuple(_fault(row) for row in rows), seed)


def _sparse(fault: Fault) -> dict[str, Any]:
    """The fault's settings that differ from their defaults, and its kind."""
    defaults = {option.name: option.default for option in fields(Fault)}
    return {name: value for name, value in asdict(fault).items() if name == "kind" or value != defaults[name]}


def _fault(row: Any) -> Fault:
    if not isinstance(row, dict) or not isinstance(row.get("kind"), str):
        raise InputError(f"a fault is an object with a kind, not {row!r:.80}")
    names = [option.name for option in fields(Fault)]
    if unknown := [name for name in row if name not in names]:
        raise InputError(f"fault {row['kind']!r}: {unknown[0]!r} is unknown; there are: {', '.join(names)}")
    operations = row.get("operations", list(WRITES))
    if not isinstance(operations, list) or not all(isinstance(name, str) for name in operations):
        raise InputError(f"fault {row['kind']!r}: operations is a list of names")
    for name, value in row.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if name not in {"kind", "operations"} and value is not None and not number:
            raise InputError(f"fault {row['kind']!r}: {name} is {value!r:.40}; it must be a number")
    return Fault(**{**row, "operations": tuple(operations)})
