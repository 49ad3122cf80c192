"""Limits from feature flags: what a flag's value means, and that a bad one changes nothing. No flag library here.

Flags are named ``packhorse.max_in_flight`` and so on (the prefix is the application's choice), one for each limit of
``set_limits``, and ``packhorse.adaptive``: true lets the limit on uploads find itself, with ``max_in_flight``, where
that flag is there, as its upper bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from packhorse.errors import InputError
from packhorse.uploader.adaptive import START, Adaptive

ADAPTIVE, MAX_IN_FLIGHT = "adaptive", "max_in_flight"
#: Limits that flags may set, and their types.
LIMITS: Mapping[str, type] = {
    MAX_IN_FLIGHT: int,
    ADAPTIVE: bool,
    "memory_budget_bytes": int,
    "encode_threads": int,
    "spool_bytes": int,
    "spool_max_age_s": float,
}
#: Where the uploader itself has no upper bound: a slip of a finger in a flag must not start thousands of threads.
MOST = {"encode_threads": 64}


class Bad:
    """In place of a value: the flag has one, but not of its limit's type."""

    def __repr__(self) -> str:
        return "a value of another type"


BAD = Bad()


class FlaggedLimits:
    """Applies changed values of flags to an uploader's limits. One thread at a time calls it.

    Attributes:
        applied: Values that became limits, by limit.
        refused: Values that did not, by limit; the limit stayed as it was. A bad value counts once, not at every look.
        why: The last refusal, by limit, in words.
    """

    def __init__(self, set_limits: Callable[..., None], count_refused: Callable[[], None]) -> None:
        self.applied: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.why: dict[str, str] = {}
        self._set_limits = set_limits
        self._count_refused = count_refused
        self._seen: dict[str, Any] = {}

    def take(self, values: Mapping[str, Any]) -> None:
        """Apply what has changed since the last call.

        Args:
            values: By limit; :data:`BAD` for what has no value of the right type. A flag that is missing or has gone
                leaves its limit as it is.
        """
        changed = {name: value for name, value in values.items() if self._is_new(name, value)}
        self._seen.update(changed)
        if ADAPTIVE in changed or MAX_IN_FLIGHT in changed:
            self._uploads(changed)
        for name in changed.keys() - {ADAPTIVE, MAX_IN_FLIGHT}:
            self._apply(name, changed[name], changed[name])

    def _is_new(self, name: str, value: Any) -> bool:
        return name not in self._seen or self._seen[name] != value or type(self._seen[name]) is not type(value)

    def _uploads(self, changed: Mapping[str, Any]) -> None:
        adaptive, most = self._seen.get(ADAPTIVE), self._seen.get(MAX_IN_FLIGHT)
        if adaptive is BAD and ADAPTIVE in changed:
            self._refuse(ADAPTIVE, repr(BAD))
        if most is BAD and MAX_IN_FLIGHT in changed:
            self._refuse(MAX_IN_FLIGHT, repr(BAD))
            return
        name = MAX_IN_FLIGHT if MAX_IN_FLIGHT in changed else ADAPTIVE
        if adaptive is not True:
            if isinstance(most, int):
                self._apply(MAX_IN_FLIGHT, most, most, counts_as=name)
        elif isinstance(most, int):
            wanted = Adaptive(max_in_flight=most, start=min(START, most)) if most >= 1 else most
            self._apply(MAX_IN_FLIGHT, wanted, most, counts_as=name)
        else:
            self._apply(MAX_IN_FLIGHT, "adaptive", "adaptive", counts_as=name)

    def _apply(self, name: str, value: Any, given: Any, *, counts_as: str | None = None) -> None:
        label = counts_as or name
        if given is BAD:
            self._refuse(label, repr(BAD))
        elif name in MOST and given > MOST[name]:
            self._refuse(label, f"{name} is {given}; flags may set at most {MOST[name]}")
        else:
            try:
                self._set_limits(**{name: value})
            except InputError as error:
                self._refuse(label, str(error))
            else:
                self.applied[label] += 1
                self.why.pop(label, None)

    def _refuse(self, name: str, why: str) -> None:
        self.refused[name] += 1
        self.why[name] = why
        self._count_refused()
