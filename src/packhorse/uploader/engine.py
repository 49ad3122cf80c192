"""The engine under both faces: two bounded pools of threads, one account, one memory budget, one spool.

Encoding threads take submitted captures, redact, encode and compress them and let the objects go; uploading threads
send the bodies, at most ``max_in_flight`` at once. Threads start when there is work for them. All state is guarded by
one lock; nothing slow happens under it.

    Client (the store) <- Resends (of parts) <- Work (queues, threads) <- Spooling (to disk) <- Unspooling (back)
    <- Admission (submitting) <- Closing (endings) <- Engine (control)
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from dataclasses import dataclass, replace

from packhorse.errors import InputError
from packhorse.uploader.adaptive_permits import Limit
from packhorse.uploader.checks import check_fields
from packhorse.uploader.closing import Closing
from packhorse.uploader.ledger import Stats
from packhorse.uploader.telemetry_metrics import QUEUES, Reading

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits to change while running; those that are None stay. Units and meanings are those of the options."""

    max_in_flight: Limit | None = None
    memory_budget_bytes: int | None = None
    encode_threads: int | None = None
    spool_bytes: int | None = None
    spool_max_age_s: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)


class Engine(Closing):
    """Takes captures, gives each exactly one fate. See ``Uploader`` for the promises."""

    def _reset(self) -> None:
        super()._reset()
        _engines.add(self)  # from its first state on, watched at exit and over forks

    def stats(self, redacted: dict[str, int]) -> Stats:
        """A consistent look at the account."""
        with self._lock:
            return self.ledger.look(redacted, self.look_at_spool())

    def reading(self) -> Reading:
        """As ``Work.reading``."""
        now_s = time.monotonic()
        with self._lock:
            queues = dict(zip(QUEUES, ((self._raw,), (self.trying.again, self._bodies)), strict=True))
            heads = {name: [queue[0] for queue in held if queue] for name, held in queues.items()}
            return Reading(
                stats=self.stats(dict(self.redactions())),
                budget_bytes=self.ledger.budget_bytes,
                limit=self.max_in_flight,
                uploading=self._uploading,
                queued={name: sum(map(len, held)) for name, held in queues.items()},
                oldest_s={name: now_s - min(job.submitted_s for job in jobs) for name, jobs in heads.items() if jobs},
                phase_s=dict(self.ledger.phase_s),
                durations=tuple(self.ledger.durations),
                refused_flags=self.refused_flags,
            )

    def refuse_flag(self) -> None:
        """Count a feature flag's value that could not become a limit."""
        with self._lock:
            self.refused_flags += 1

    def set_limits(self, limits: Limits) -> None:
        """Change limits while running. Lower ones take effect as work in progress finishes.

        Raises:
            InputError: Above the pool of the profile's store, or a spool's limit without a spool.
        """
        limit = None if limits.max_in_flight is None else self._checked_limit(limits.max_in_flight)
        if self.spool is None and (limits.spool_bytes or limits.spool_max_age_s):
            raise InputError("there is no spool whose limits could be changed; give spool_dir to the uploader")
        with self._lock:
            if limit is not None:
                self.permits.set(limit)
            self.encode_threads = limits.encode_threads or self.encode_threads
            if self.spool is not None:
                quota = self.spool.quota
                self.spool.quota = replace(
                    quota,
                    max_bytes=limits.spool_bytes or quota.max_bytes,
                    max_age_s=limits.spool_max_age_s or quota.max_age_s,
                )
            if limits.memory_budget_bytes is not None:
                self.ledger.budget_bytes = self._budget_bytes = limits.memory_budget_bytes
                self._mark()
                self._announce_room()
                self._spill()
            self._more_encoders()
            self._more_uploaders()
            self._raw_ready.notify_all()
            self._body_ready.notify_all()


def _at_exit() -> None:
    for engine in list(_engines):
        engine.exit()


def _in_child() -> None:
    for engine in list(_engines):
        engine.disown()


def _before_exit() -> None:
    for engine in list(_engines):
        engine.hurry()


# Threads of executors, as those that send parts, are joined before any hook of atexit runs, and while the main thread
# still counts as alive. There is no public hook that early. This one runs first, being registered after the other.
threading._register_atexit(_before_exit)  # type: ignore[attr-defined]
atexit.register(_at_exit)
os.register_at_fork(after_in_child=_in_child)
