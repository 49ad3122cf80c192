"""Following OpenFeature flags: looked at in a thread of their own, when a provider says so and now and then."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from packhorse.errors import InputError, UnavailableError
from packhorse.uploader.face import Face
from packhorse.uploader.flags import BAD, LIMITS, FlaggedLimits

try:
    from openfeature import api
    from openfeature.client import OpenFeatureClient
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.event import EventDetails, ProviderEvent
    from openfeature.exception import ErrorCode
except ModuleNotFoundError:
    raise UnavailableError("FlagFollower needs OpenFeature; install packhorse[flags]") from None

logger = logging.getLogger("packhorse")

#: Seconds between two looks, for providers that do not tell when flags change.
INTERVAL_S = 30.0
CLOSE_S = 5.0
_EVENTS = (ProviderEvent.PROVIDER_READY, ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
_ILL_TYPED = {ErrorCode.TYPE_MISMATCH, ErrorCode.PARSE_ERROR}
_MISSING = object()


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
        key = f"{self._prefix}.{name}"
        client, context = self._client, self._context
        try:
            if kind is bool:
                details: Any = client.get_boolean_details(key, False, context)  # noqa: FBT003  # their signature
            elif kind is int:
                details = client.get_integer_details(key, 0, context)
            else:
                details = client.get_float_details(key, 0.0, context)
        except Exception:  # noqa: BLE001  # a provider or a hook may raise anything; the limits stay as they are
            self.errors += 1
            return _MISSING
        if details.error_code in _ILL_TYPED:
            return BAD
        if details.error_code is not None:
            self.errors += details.error_code is not ErrorCode.FLAG_NOT_FOUND
            return _MISSING
        value = details.value
        fits = type(value) is kind or (kind is float and type(value) is int)
        return value if fits else BAD

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
