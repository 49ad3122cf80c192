"""Limits from OpenFeature flags: looked at in a thread of their own, when a provider says so and now and then.

Flags are named ``packhorse.max_in_flight`` and so on (the prefix is the application's choice), one for each limit of
``set_limits``, and ``packhorse.adaptive``: true lets the limit on uploads find itself, with ``max_in_flight``, where
that flag is there, as its upper bound. A bad value changes nothing.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from packhorse.errors import InputError, UnavailableError
from packhorse.uploader.adaptive import START, Adaptive
from packhorse.uploader.face import Face

try:
    from openfeature import api
    from openfeature.client import OpenFeatureClient
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.event import EventDetails, ProviderEvent
    from openfeature.exception import ErrorCode
    from openfeature.flag_evaluation import Reason
except ModuleNotFoundError:
    raise UnavailableError("FlagFollower needs OpenFeature; install packhorse[flags]") from None

logger = logging.getLogger("packhorse")

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
MOST = {"encode_threads": 64, MAX_IN_FLIGHT: 1024}
#: Seconds between two looks, for providers that do not tell when flags change.
INTERVAL_S = 30.0
CLOSE_S = 5.0
_EVENTS = (ProviderEvent.PROVIDER_READY, ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
_ILL_TYPED = {ErrorCode.TYPE_MISMATCH, ErrorCode.PARSE_ERROR}
_MISSING = object()


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
        elif name in MOST and isinstance(given, int) and given > MOST[name]:
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


class FlagFollower:
    """Keeps an uploader's limits as flags have them, until it is closed.

    Attributes:
        limits: What was applied and what was refused.
        errors: Looks that the provider failed, whole or in part; the limits stayed.
    """

    def __init__(
        self,
        uploader: Face,
        *,
        client: OpenFeatureClient | None = None,
        prefix: str = "packhorse",
        context: EvaluationContext | None = None,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Look once, in this thread, and follow from then on in another.

        Args:
            uploader: An ``Uploader`` or ``AsyncUploader``.
            client: OpenFeature client; None for one of the domain ``packhorse``.
            prefix: Flags are called ``<prefix>.max_in_flight`` and so on.
            context: What flags are evaluated for: instance, region, tenant.
            interval_s: Seconds between two looks when no event comes.

        Raises:
            InputError: ``interval_s`` is not above 0.
        """
        if not interval_s > 0:
            raise InputError(f"interval_s is {interval_s}; it must be above 0")
        engine = uploader._engine
        self.limits = FlaggedLimits(uploader.set_limits, engine.refuse_flag)
        self.errors = 0
        self._client = client or api.get_client(domain="packhorse")
        self._prefix = prefix
        self._context = context
        self._interval_s = interval_s
        self._look = threading.Event()
        self._look_lock = threading.Lock()
        self._closed = False
        self.look()
        for event in _EVENTS:
            self._client.add_handler(event, self._changed)
        self._thread = threading.Thread(target=self._follow, name="packhorse-flags", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Evaluate all flags and apply what has changed. Never raises for what a provider or a flag does."""
        with self._look_lock:
            values = {name: self._value(name, kind) for name, kind in LIMITS.items()}
            self.limits.take({name: value for name, value in values.items() if value is not _MISSING})

    def close(self) -> None:
        """Follow no more; the limits stay. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for event in _EVENTS:
            with contextlib.suppress(ValueError):
                self._client.remove_handler(event, self._changed)
        self._look.set()
        if self._thread is not threading.current_thread():
            self._thread.join(CLOSE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _value(self, name: str, kind: type) -> Any:
        """A flag's value, :data:`BAD`, or ``_MISSING`` when there is none or the provider cannot tell now."""
        try:
            details = self._details(f"{self._prefix}.{name}", kind)
        except Exception:  # noqa: BLE001  # a provider or a hook may raise anything; the limits stay as they are
            self.errors += 1
            return _MISSING
        if details.error_code in _ILL_TYPED:
            return BAD
        if details.reason == Reason.DISABLED:
            return _MISSING  # the value is the default that was given here, and no limit
        if details.error_code is not None:
            self.errors += details.error_code is not ErrorCode.FLAG_NOT_FOUND
            return _MISSING
        value = details.value
        fits = type(value) is kind or (kind is float and type(value) is int)
        return value if fits else BAD

    def _details(self, key: str, kind: type) -> Any:
        client, context = self._client, self._context
        if kind is bool:
            return client.get_boolean_details(key, False, context)  # noqa: FBT003  # their signature
        if kind is int:
            return client.get_integer_details(key, 0, context)
        details: Any = client.get_float_details(key, 0.0, context)
        if details.error_code is ErrorCode.TYPE_MISMATCH:
            # 3600 in a file of flags is an integer to some providers, and a float is asked for.
            whole = client.get_integer_details(key, 0, context)
            return details if whole.error_code is not None else whole
        return details

    def _changed(self, _: EventDetails) -> None:
        self._look.set()

    def _follow(self) -> None:
        told: Mapping[str, str] = {}
        while not self._closed:
            if told != self.limits.why:
                told = dict(self.limits.why)
                for name, why in told.items():
                    logger.warning("flag %s.%s was refused: %s", self._prefix, name, why)
            self._look.wait(self._interval_s)
            self._look.clear()
            if not self._closed:
                self.look()
