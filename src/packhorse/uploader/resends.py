"""Requests of multipart uploads that wait to be made again, and what becomes of their captures' permits meanwhile."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod

from packhorse.errors import StoreError
from packhorse.uploader.client import Client
from packhorse.uploader.handover import HandoverLock
from packhorse.uploader.job import Job
from packhorse.uploader.trying import RESEND_LOOK_S, Resend, Trying


class Resends(Client, ABC):
    """The part of ``Work`` that ``parts.py`` asks. Its state is made, and explained, by ``Work``."""

    trying: Trying
    _lock: HandoverLock[Job]
    _body_ready: threading.Condition
    _settled: threading.Condition
    _uploading: int
    _parked: int
    _returning: int
    _hurried: bool

    def await_resend(self, job: Job, turn: Resend, error: StoreError) -> bool:
        """A multipart request failed: wait until it may be made again. False when it shall not be.

        Meanwhile its capture's permit is given back: streams that wait for S3 must not keep all others from finding out
        that it is there again.
        """
        with self._lock:
            self.trying.resend_failed(turn, job, error, time.monotonic())
            again = False
            while not again and turn.hopeful and not self._ends(job):
                if self.trying.breaker.open:
                    self._s3_is_out()
                wait_s = self.trying.resend_wait_s(turn, time.monotonic())
                again = wait_s <= 0.0
                if not again:
                    self._park(job)
                    # Another part of it may take a permit meanwhile, and be done.
                    self._settled.wait(min(wait_s, RESEND_LOOK_S))
            self._unpark(job)
            return again and not self._ends(job)

    def _ends(self, job: Job) -> bool:
        return self.stopping or self._hurried or job.settled

    def _park(self, job: Job) -> None:
        if not job.parked:
            job.parked = True
            self._parked += 1
            self._permit_free()
            self._more_uploaders()

    def _unpark(self, job: Job) -> None:
        """Take a permit again, as the next one; without waiting for it when all ends."""
        self._returning += 1
        while job.parked and self._uploading >= self.max_in_flight and not self._ends(job):
            self._settled.wait(RESEND_LOOK_S)
        self._returning -= 1
        if job.parked:  # else it never was, or another request of the capture has taken one
            job.parked = False
            self._parked -= 1
            self._uploading += 1
        self._body_ready.notify()

    def resent(self, job: Job, turn: Resend) -> None:
        """A multipart request succeeded, at once or at last."""
        if turn.tries or job.probe or self.trying.breaker.open:
            with self._lock:
                if self.trying.resend_worked(turn, job):
                    self._more_uploaders()
                    self._body_ready.notify_all()

    def resend_broken_off(self, turn: Resend) -> None:
        """A multipart request raised what no store should: it finds nothing out any more."""
        with self._lock:
            self.trying.ended(turn)

    def hurry(self) -> None:
        """Make no multipart request again from now on, and end the waits for that."""
        with self._lock:
            self._hurried = True
            self._settled.notify_all()

    @property
    @abstractmethod
    def max_in_flight(self) -> int:
        """Uploads at once, now."""

    @abstractmethod
    def _permit_free(self) -> None:
        """A permit has been given back."""

    @abstractmethod
    def _more_uploaders(self) -> None:
        """Start the uploading threads that the work at hand asks for."""

    @abstractmethod
    def _s3_is_out(self) -> None:
        """S3 is believed to be out."""
