"""Which capture is sent next: for the first time, again, or as a probe while S3 is out.

No clock and no lock: the engine calls it under its own, with the time.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from itertools import islice

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.uploader.job import Job
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.retry import RESERVED_RETRIES, Breaker, RetryBudget, pause_s

#: Share of the uploads at once that probes may take: those that hang in a black hole must leave room for the rest.
PROBE_SHARE = 2
#: Waiting captures of which the smallest becomes the probe: it is given up soonest when nobody answers.
PROBED = 64
#: Seconds between two looks of a multipart request that waits for S3 to be back.
RESEND_LOOK_S = 0.25


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


class Trying:
    """Attempts, their budget, and who waits for another one.

    Failed captures give thread and permit back and wait in :attr:`again`. When the shared budget has come down to its
    reserve the breaker opens: captures stay where they are, nothing is sent but single probes, and what reaches its
    deadline meanwhile fails. The first answer from S3 closes it.
    """

    def __init__(self, options: UploaderOptions) -> None:
        self._options = options
        self.budget = RetryBudget()
        self.breaker = Breaker(options.backoff_base_s, random.uniform)
        self.again: list[Job] = []
        self._last_kind = StoreErrorKind.CONNECTION

    # --- choosing -----------------------------------------------------------------------------------------------------

    def next(self, bodies: deque[Job], now_s: float, limit: int) -> Job | None:
        """Take the next capture to send out of ``bodies`` or :attr:`again`; None when none may be sent now.

        Captures past their deadline come with ``late`` set: they are not to be sent.

        Args:
            bodies: Captures that were not tried yet, oldest first.
            now_s: Engine clock.
            limit: Uploads at once.
        """
        late = self._late(bodies, now_s)
        if late is not None:
            return late
        if self.breaker.open:
            return self._probe(bodies, now_s) if self.breaker.probes < max(1, limit // PROBE_SHARE) else None
        for job in self.again:
            if job.again_s <= now_s and (job.paid or self.budget.take_retry()):
                self.again.remove(job)
                job.paid = True
                return job
        return bodies.popleft() if bodies else None

    def wait_s(self, bodies: deque[Job], now_s: float) -> float | None:
        """Seconds until :meth:`next` may say something else by itself; None when it will not."""
        deadline_s = self._options.deadline_s
        moments = [job.submitted_s + deadline_s for job in self.again]
        if self.breaker.open:
            if bodies:
                moments += [bodies[0].submitted_s + deadline_s, self.breaker.due_s(fresh=True)]
            if self.again:
                moments.append(max(self.breaker.due_s(fresh=False), min(job.again_s for job in self.again)))
        else:
            moments += [job.again_s for job in self.again if job.again_s > now_s]
        # Half a second at most where a moment has passed and it was for want of budget or room that nothing was sent.
        return min(max(moment - now_s, 0.0) or 0.5 for moment in moments) if moments else None

    def _late(self, bodies: deque[Job], now_s: float) -> Job | None:
        end_s = now_s - self._options.deadline_s
        for job in self.again:
            if job.submitted_s <= end_s:
                self._unpay(job)
                job.late = job.trouble
                self.again.remove(job)  # last of all: whatever fails here, no capture is in no place
                return job
        if self.breaker.open and bodies and bodies[0].submitted_s <= end_s:
            job = bodies[0]
            job.late = StoreError(
                f"{job.ticket.key!a} was not tried within {self._options.deadline_s} s: S3 was out all the time",
                kind=self._last_kind,
            )
            return bodies.popleft()
        return None

    def _probe(self, bodies: deque[Job], now_s: float) -> Job | None:
        if bodies:
            if now_s < self.breaker.due_s(fresh=True):
                return None
            job = min(islice(bodies, PROBED), key=_risk)
        else:
            due = (job for job in self.again if job.again_s <= now_s)
            worn = None if now_s < self.breaker.due_s(fresh=False) else next(due, None)
            if worn is None or not (worn.paid or self.budget.take_retry()):
                return None
            job = worn
            job.paid = True
        self.breaker.begin(now_s, fresh=job.attempts == 0)
        job.probe = True
        (bodies or self.again).remove(job)
        return job

    # --- what became of it --------------------------------------------------------------------------------------------

    def begun(self, job: Job) -> None:
        """An attempt is made."""
        job.attempts += 1
        job.paid = False
        if job.attempts == 1:
            self.budget.first_attempt()

    def failed(self, job: Job, error: StoreError, now_s: float) -> bool:
        """An attempt failed. True when the job waits in :attr:`again` now, False when it is not tried any more."""
        self.ended(job)
        if not error.retryable:
            if error.status is not None:  # S3 is there, and no outage has used the retry up
                self._answered(job.attempts - 1)
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
        self.again.append(job)
        return True

    def worked(self, job: Job) -> bool:
        """An attempt succeeded. True when S3 was thought to be out until now."""
        self.ended(job)
        return self._answered(job.attempts - 1)

    # --- requests of multipart uploads, made again in their own threads -----------------------------------------------

    def resend_failed(self, turn: Resend, job: Job, error: StoreError, now_s: float) -> None:
        """A request failed: decide whether it is made again, and when at the soonest."""
        self.ended(turn)
        self.ended(job)  # or it would wait for itself: what finds out from now on is its next request
        if not error.retryable and error.status is not None:
            self._give_back(turn.tries)
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
        return self._answered(turn.tries)

    def ended(self, one: Job | Resend) -> None:
        """If it was a probe, it is over. Idempotent."""
        if one.probe:
            one.probe = False
            self.breaker.end()

    def clear(self) -> list[Job]:
        """Everything that waits for another attempt, which will not be made."""
        left, self.again = self.again, []
        return left

    def pop(self) -> Job:
        """The newest that waits for another attempt, for the spool."""
        job = self.again.pop()
        self._unpay(job)
        return job

    def _pause_s(self, tries: int, error: StoreError) -> float:
        base_s, max_s = self._options.backoff_base_s, self._options.backoff_max_s
        pause = pause_s(tries, base_s=base_s, max_s=max_s, uniform=random.uniform)
        return max(pause, error.retry_after_s or 0.0)

    def _give_back(self, retries: int) -> None:
        if retries > 0:
            self.budget.give_back()

    def _unpay(self, job: Job) -> None:
        if job.paid:
            job.paid = False
            self.budget.give_back()

    def _answered(self, retries: int) -> bool:
        """S3 has answered after so many retries. True when it was thought to be out until now."""
        self._give_back(retries)
        was_out = self.breaker.open
        if was_out:
            self.breaker.close()
            self.budget.refill()
        return was_out


def _risk(job: Job) -> float:
    """What is lost with a probe: the bytes sent, or, of a stream, which cannot be sent twice, the capture."""
    return float("inf") if job.body is None else len(job.body)
