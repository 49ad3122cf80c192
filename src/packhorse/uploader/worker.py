"""What a thread of the pool does: whatever is next. Whatever goes wrong with a capture is one classified fate."""

from __future__ import annotations

from packhorse.errors import StoreError
from packhorse.uploader.core import Core
from packhorse.uploader.crash_guard import CrashGuard, tell
from packhorse.uploader.encoder import Encoder
from packhorse.uploader.job import Job, State
from packhorse.uploader.reasons import NO_REASON, Reason, Why, why
from packhorse.uploader.sender import OWN_FAULT, answer, drain, send
from packhorse.uploader.spooler import Spooler
from packhorse.uploader.stream_copy import GivesWay
from packhorse.uploader.ticket import Fate


class Worker:
    """The work of all threads of an uploader's pool."""

    def __init__(self, core: Core, encoder: Encoder, spooler: Spooler) -> None:
        self._core = core
        self._encoder = encoder
        self._spooler = spooler

    def run(self) -> None:
        """Work until all is to end. The thread is all captures': it outlives whatever one of them does to it."""
        core = self._core
        guard = CrashGuard(core)
        while True:
            try:
                task = core.next_task()
                if core.pool.ordered:
                    core.pool.start_ordered()
                if task is None:
                    return
                if not isinstance(task, Job):
                    drain(core, task)
                elif task.state is State.SENDING or self._encode(task):
                    if core.pool.ordered:
                        core.pool.start_ordered()
                    self._send(task)
                core.relieve()
                guard.worked()
            except BaseException as error:  # noqa: BLE001  # the engine's own
                if not guard.outlives(error):
                    return

    def _encode(self, job: Job) -> bool:
        """Encode one capture and hand it on. True when this thread is to send it, too."""
        core = self._core
        try:
            if self._encoder.encode(job, overlap=core.encodes_alone()):
                core.count_degraded()
            return core.encoded(job)
        except BaseException as error:  # noqa: BLE001  # whatever a capture or a library does
            self._fail(job, error)
            _let_go(job)
            return False

    def _send(self, job: Job) -> None:
        """Send one capture, and give it its fate, or to those who know what becomes of it."""
        core = self._core
        kept = False
        try:
            if job.stream is not None and job.late is None:
                job.copy = self._spooler.copy(job)
            receipt = send(core, job)
        except BaseException as error:  # noqa: BLE001  # as above
            try:
                kept = self._kept(job, error)
            except BaseException as unforeseen:  # noqa: BLE001  # what would kill the thread for all the others
                tell(core, unforeseen)
                self._fail(job, unforeseen)
            else:
                if not kept:
                    self._fail(job, error)
        else:
            try:
                core.finish(job, Fate.UPLOADED, receipt=receipt)
            except BaseException as unforeseen:  # noqa: BLE001  # it is stored all the same
                tell(core, unforeseen)
                core.finish_anyhow(job, Fate.UPLOADED, NO_REASON, receipt)
        finally:
            if not kept:
                _let_go(job)

    def _kept(self, job: Job, error: BaseException) -> bool:
        """True when what could not be uploaded waits for another attempt, or for the disk, or is on it.

        What no client should raise says nothing of S3: then the disk takes it, too.
        """
        if isinstance(error, GivesWay):
            return self._spooler.keep(job, Why(Reason.STOPPED))
        if isinstance(error, StoreError):
            if self._core.try_again(job, error):
                return True
            if error.kind in OWN_FAULT:
                if error.status is None:  # found before S3 was asked: it would never take it
                    return False
                job.refusal = answer(error)
        spooler, reason = self._spooler, why(error)
        return spooler.rescue(job, reason) or spooler.keep(job, reason)

    def _fail(self, job: Job, error: BaseException) -> None:
        core = self._core
        try:
            core.finish(job, Fate.FAILED, why(error))
        except BaseException as unforeseen:  # noqa: BLE001  # the capture is not to blame, and gets its fate nevertheless
            tell(core, unforeseen)
            core.finish_anyhow(job, Fate.FAILED, why(error))


def _let_go(job: Job) -> None:
    try:  # noqa: SIM105  # every capture's: a context manager makes three calls
        job.release()
    except BaseException:  # noqa: BLE001, S110  # an iterator that raises when it is closed
        pass
