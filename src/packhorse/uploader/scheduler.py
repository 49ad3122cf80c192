"""What is sent next: a capture for the first time, again, or as a probe while S3 is out; a spooled file; nothing yet.

No clock and no lock: the engine calls it under its own, with the time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.uploader.adaptive import Permits
from packhorse.uploader.job import Job, JobTable, State, newest, oldest
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.retry_budget import RESERVED_RETRIES, Breaker, Pacing, RetryBudget, pause_s

#: Share of the uploads at once that probes may take: those that hang in a black hole must leave room for the rest.
PROBE_SHARE = 2
#: Waiting captures of which the smallest becomes the probe: it is given up soonest when nobody answers.
PROBED = 64
#: Seconds between two looks of a multipart request that waits for S3 to be back.
RESEND_LOOK_S = 0.25
#: Seconds between two looks at files that could be uploaded, when nothing else says that they can be.
FILES_LOOK_S = 30.0
#: S3 refuses a few files for their own sake; so many in a row are refused for another reason, and the pace becomes that
#: of an outage.
REFUSED_IN_A_ROW = 16


class Tried(Enum):
    """How a spooled file fared."""

    WORKED = "worked"
    #: S3 could not be asked, or asks to try again: others will fare alike.
    OUT = "out"
    #: S3 refused this one.
    REFUSED = "refused"
    #: It was not sent.
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Send:
    """Send this capture; one whose deadline has passed comes with ``late`` set, and is not to be sent."""

    job: Job


@dataclass(frozen=True, slots=True)
class Drain:
    """Upload a file of the spool."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing now; by itself, something in so many seconds (None: never)."""

    seconds: float | None


_DRAIN = Drain()
_NEVER = Wait(None)


@dataclass(slots=True)
class Resend:
    """One multipart request that is made until it succeeds.

    Attributes:
        tries: How often it has failed.
        due_s: When it may be made again.
        end_s: When it may not be made any more.
        hopeful: False when it is not to be made again.
        probe: True while it finds out if S3 is back.
    """

    tries: int = 0
    due_s: float = 0.0
    end_s: float = 0.0
    hopeful: bool = True
    probe: bool = False


class Scheduler:
    """Permits, attempts, their budget, and the pace of the spool.

    Failed captures give thread and permit back and wait in ``RETRY_WAIT``. When the shared budget has come down to its
    reserve the breaker opens: captures stay where they are, nothing is sent but single probes, and what reaches its
    deadline meanwhile fails. The first answer from S3 closes it.

    Attributes:
        halted: True when no upload is to be begun any more: what is left goes to disk.
        draining: Spooled files that are being uploaded; each has a permit.
        returning: Streams that wait for their permit back; they are the next to get one.
    """

    def __init__(self, options: UploaderOptions, table: JobTable, permits: Permits) -> None:
        self._options = options
        self._table = table
        self.permits = permits
        self.budget = RetryBudget()
        self.breaker = Breaker(options.backoff_base_s, random.uniform)
        self.drain_pace = Pacing(1.0, 30.0, random.uniform)
        self.halted = False
        self.draining = 0
        self.returning = 0
        self._refusals = 0
        self._last_kind = StoreErrorKind.CONNECTION

    # --- choosing -----------------------------------------------------------------------------------------------------

    @property
    def uploading(self) -> int:
        """Permits in use."""
        return len(self._table.sending) + self.draining

    @property
    def may_begin(self) -> bool:
        """True when there is a permit."""
        in_use = len(self._table.sending) + self.draining + self.returning
        return in_use < self.permits.limit and not self.halted

    def next(self, now_s: float, *, files: int = 0, short: bool = False) -> Send | Drain | Wait:
        """What to do now. A capture that is to be sent is ``SENDING`` then.

        Args:
            now_s: Engine clock.
            files: Spooled files that nobody has in hand.
            short: True while memory is short: no file is brought into it then.
        """
        table = self._table
        if not (table.ready or table.retrying or files or self.breaker.open) or not self.may_begin:
            return _NEVER
        job = self._job(now_s)
        if job is not None:
            return Send(job)
        if not short and self.drainable(files, now_s):
            return _DRAIN
        if not (files or table.retrying or self.breaker.open):
            return _NEVER
        waits = [wait for wait in (self.wait_s(now_s), self._drain_wait_s(files, now_s)) if wait is not None]
        return Wait(min(waits)) if waits else _NEVER

    def goes_on(self, job: Job) -> bool:
        """True, and it is ``SENDING``, when the thread that has encoded it may send it at once: nobody is before it."""
        table = self._table
        if table.ready or table.retrying or self.breaker.open or not self.may_begin:
            return False
        table.move(job, State.SENDING)
        return True

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until another capture may be sent by itself; None when none will."""
        deadline_s = self._options.deadline_s
        ready, retrying = self._table.ready, self._table.retrying
        moments = [job.submitted_s + deadline_s for job in retrying]
        if self.breaker.open:
            if ready:
                moments += [oldest(ready).submitted_s + deadline_s, self.breaker.due_s(fresh=True)]
            if retrying:
                moments.append(max(self.breaker.due_s(fresh=False), min(job.again_s for job in retrying)))
        else:
            moments += [job.again_s for job in retrying if job.again_s > now_s]
        # Half a second at most where a moment has passed and it was for want of budget or room that nothing was sent.
        return min(max(moment - now_s, 0.0) or 0.5 for moment in moments) if moments else None

    def _job(self, now_s: float) -> Job | None:
        table = self._table
        if not (table.retrying or self.breaker.open):
            return self._send(oldest(table.ready)) if table.ready else None
        late = self._late(now_s)
        if late is not None:
            return late
        if self.breaker.open:
            most = max(1, self.permits.limit // PROBE_SHARE)
            return self._probe(now_s) if self.breaker.probes < most else None
        for job in table.retrying:
            if job.again_s <= now_s and (job.paid or self.budget.take_retry()):
                job.paid = True
                return self._send(job)
        return self._send(oldest(table.ready)) if table.ready else None

    def _send(self, job: Job) -> Job:
        self._table.move(job, State.SENDING)
        return job

    def _late(self, now_s: float) -> Job | None:
        end_s = now_s - self._options.deadline_s
        for job in self._table.retrying:
            if job.submitted_s <= end_s:
                self._unpay(job)
                job.late = job.trouble
                return self._send(job)
        if self.breaker.open and self._table.ready and oldest(self._table.ready).submitted_s <= end_s:
            job = oldest(self._table.ready)
            job.late = StoreError(
                f"{job.ticket.key!a} was not tried within {self._options.deadline_s} s: S3 was out all the time",
                kind=self._last_kind,
            )
            return self._send(job)
        return None

    def _probe(self, now_s: float) -> Job | None:
        ready = self._table.ready
        if ready:
            if now_s < self.breaker.due_s(fresh=True):
                return None
            job = min(islice(ready, PROBED), key=_risk)
        else:
            due = (job for job in self._table.retrying if job.again_s <= now_s)
            worn = None if now_s < self.breaker.due_s(fresh=False) else next(due, None)
            if worn is None or not (worn.paid or self.budget.take_retry()):
                return None
            job = worn
            job.paid = True
        self.breaker.begin(now_s, fresh=job.attempts == 0)
        job.probe = True
        return self._send(job)

    # --- files of the spool -------------------------------------------------------------------------------------------

    def drainable(self, files: int, now_s: float) -> int:
        """How many of so many files may be tried now. While S3 is out it is one at a time."""
        if not files or self.halted or self.drain_pace.wait_s(now_s) > 0:
            return 0
        return max(0, min(files, 1 - self.draining)) if self.drain_pace.failures else files

    def _drain_wait_s(self, files: int, now_s: float) -> float | None:
        if not files or (self.drain_pace.failures and self.draining):
            return None
        return self.drain_pace.wait_s(now_s) or FILES_LOOK_S

    def s3_said(self, now_s: float, tried: Tried, *, wait_s: float = 0.0) -> bool:
        """An upload tells how files will fare: whether S3 takes things, and how long it asked to be left alone.

        Returns:
            True when S3 takes things again that had refused many in a row.
        """
        if tried is Tried.WORKED:
            refused_all, self._refusals = self._refusals >= REFUSED_IN_A_ROW, 0
            if self.drain_pace.failures:
                self.drain_pace.worked()
            return refused_all
        self._refusals += tried is Tried.REFUSED
        out = tried is Tried.OUT or (tried is Tried.REFUSED and self._refusals >= REFUSED_IN_A_ROW)
        if out and self.drain_pace.wait_s(now_s) == 0:
            self.drain_pace.failed(now_s, at_least_s=wait_s)
        return False

    # --- what became of it --------------------------------------------------------------------------------------------

    def begun(self, job: Job) -> None:
        """An attempt is made."""
        job.attempts += 1
        job.paid = False
        if job.attempts == 1:
            self.budget.first_attempt()
        if self.permits.adaptive:
            job.permit = self.permits.begin(self.uploading)

    def failed(self, job: Job, error: StoreError, now_s: float) -> bool:
        """An attempt failed. True when the job is in ``RETRY_WAIT`` now, False when it is not tried any more."""
        self.ended(job)
        if not error.retryable:
            if error.status is not None:  # S3 is there, and no outage has used the retry up
                self.answered(job.attempts - 1)
            return False
        self._last_kind = error.kind
        options = self._options
        job.again_s = now_s + self._pause_s(job.attempts, error)
        in_time = job.again_s < job.submitted_s + options.deadline_s
        if job.body is None or job.attempts >= options.max_attempts or not in_time:
            return False
        if not self.breaker.open:
            job.paid = self.budget.take_retry(reserved=RESERVED_RETRIES)
            if not job.paid:
                self.breaker.trip(now_s)
        job.trouble = error.with_traceback(None)
        error.__context__ = None  # a client's own exceptions hold on to what they were about
        self._table.move(job, State.RETRY_WAIT)
        return True

    def worked(self, job: Job) -> bool:
        """An attempt succeeded. True when S3 was thought to be out until now."""
        self.ended(job)
        return self.answered(job.attempts - 1)

    # --- requests of multipart uploads, made again in their own threads -----------------------------------------------

    def resend_failed(self, turn: Resend, job: Job, error: StoreError, now_s: float) -> None:
        """A request failed: decide whether it is made again, and when at the soonest."""
        self.ended(turn)
        self.ended(job)  # or it would wait for itself: what finds out from now on is its next request
        if turn.tries > 0 and not error.retryable and error.status is not None:
            self.budget.give_back()
        turn.tries += 1
        turn.due_s = now_s + self._pause_s(turn.tries, error)
        turn.end_s = job.submitted_s + self._options.deadline_s
        turn.hopeful = error.retryable and turn.tries < self._options.max_attempts and turn.due_s < turn.end_s
        if error.retryable:
            self._last_kind = error.kind

    def resend_wait_s(self, turn: Resend, now_s: float) -> float:
        """Seconds to wait before asking again; 0 when the request may be made now, its retry being paid."""
        if now_s >= turn.end_s:
            turn.hopeful = False
            return RESEND_LOOK_S
        if now_s < turn.due_s:
            return turn.due_s - now_s
        if not self.breaker.open:
            if self.budget.take_retry(reserved=RESERVED_RETRIES):
                return 0.0
            self.breaker.trip(now_s)
        if self.breaker.probes or now_s < self.breaker.due_s(fresh=False) or not self.budget.take_retry():
            return RESEND_LOOK_S
        self.breaker.begin(now_s, fresh=False)
        turn.probe = True
        return 0.0

    def resend_worked(self, turn: Resend, job: Job) -> bool:
        """A request succeeded. True when S3 was thought to be out until now."""
        self.ended(turn)
        self.ended(job)
        return self.answered(turn.tries)

    def ended(self, one: Job | Resend) -> None:
        """If it was a probe, it is over. Idempotent."""
        if one.probe:
            one.probe = False
            self.breaker.end()

    def newest_retrying(self) -> Job:
        """The newest that waits for another attempt, for the spool: it needs no retry any more."""
        job = newest(self._table.retrying)
        self._unpay(job)
        return job

    def _pause_s(self, tries: int, error: StoreError) -> float:
        base_s, max_s = self._options.backoff_base_s, self._options.backoff_max_s
        pause = pause_s(tries, base_s=base_s, max_s=max_s, uniform=random.uniform)
        return max(pause, error.retry_after_s or 0.0)

    def _unpay(self, job: Job) -> None:
        if job.paid:
            job.paid = False
            self.budget.give_back()

    def answered(self, retries: int = 0) -> bool:
        """S3 has answered after so many retries. True when it was thought to be out until now."""
        if retries > 0:
            self.budget.give_back()
        was_out = self.breaker.open
        if was_out:
            self.breaker.close()
            self.budget.refill()
        return was_out


def _risk(job: Job) -> float:
    """What is lost with a probe: the bytes sent, or, of a stream, which cannot be sent twice, the capture."""
    return float("inf") if job.body is None else len(job.body)
