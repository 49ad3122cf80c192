"""The way out of the spool: uploading threads send spooled files when S3 is back and nothing fresher waits."""

from __future__ import annotations

import time

from packhorse.uploader.job import Job
from packhorse.uploader.prepare import STREAM_HELD_BYTES
from packhorse.uploader.spooling import SPOOLED, TEND_EVERY_S, Spooling
from packhorse.uploader.ticket import Fate, Receipt, Ticket


class Unspooling(Spooling):
    """Adds draining."""

    def _drainable(self) -> int:
        if self.spool is None or self._spills_all or self._drain.wait_s(time.monotonic()) > 0:
            return 0
        waiting = self.spool.waiting
        return max(0, min(waiting, 1 - self._draining)) if self._drain.failures else waiting

    def _drain_wait_s(self) -> float | None:
        if self.spool is None or not self.spool.waiting or (self._drain.failures and self._draining):
            return None
        return self._drain.wait_s(time.monotonic()) or TEND_EVERY_S

    def _take_spooled(self) -> Job | None:
        # While S3 is out one file is tried at a time; while memory is short, none.
        if not self._drainable() or self.ledger.held_bytes > self._ladder.patient_bytes:
            return None
        assert self.spool is not None
        claim = self.spool.claim()
        if claim is None:
            self._keeper_ready.notify()  # it has to list them
            return None
        try:
            job = Job(Ticket("", ""), None, 0, time.monotonic(), claim=claim)
            job.marks = {}
            self._hold(job, min(claim.size_bytes, STREAM_HELD_BYTES))
        except BaseException:  # nobody else would
            self.spool.give_back(claim)
            raise
        self._draining += 1
        return job

    def drained(self, job: Job, *, worked: bool | None, wait_s: float = 0.0) -> None:
        """A spooled file has been tried.

        Args:
            job: What :meth:`next_body` gave.
            worked: True when S3 took it, False when S3 is out, None when it was the file's fault.
            wait_s: The least time that S3 asked to be left alone for.
        """
        with self._lock:
            self._draining -= 1
            self._hold(job, 0)
            self._s3_said(worked=worked, wait_s=wait_s)
            if worked:
                self._s3_works(job)
            self._settled.notify_all()

    def _drain_rests(self) -> bool:
        """True when close() need not wait for the spool: it is empty, or S3 is out."""
        if self.spool is None or self._keepers == 0:
            return True
        return self._looked and (self._drain.failures > 0 or (not self.spool.waiting and not self._draining))

    def finish(
        self, job: Job, fate: Fate, reason: str = "", *, detail: str = "", receipt: Receipt | None = None
    ) -> None:
        """As ``Work.finish``. A capture that is on disk already is uploaded or spooled, never failed."""
        if self.spool is not None:
            with self._lock:
                claim = self._insured.pop(job, None)
                if fate is Fate.UPLOADED:
                    self._s3_said(worked=True)
            if claim is not None and fate is Fate.UPLOADED:
                self.spool.withdraw(claim)
            elif claim is not None:
                self.spool.give_back(claim)
                fate, reason, detail = Fate.SPOOLED, SPOOLED, ""
        super().finish(job, fate, reason, detail=detail, receipt=receipt)
