"""The gate's end of a side's process."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from packhorse.errors import PackhorseError
from packhorse.race.gate.sides import Side

#: A side that does not answer for this long hangs and is killed.
SILENCE_LIMIT_S = 120.0
_WORKER = Path(__file__).with_name("worker.py")


class WorkerDied(PackhorseError):
    """A side's process ended or hung; the message has its last words."""


class Worker:
    """One process of one side. Use as a context manager; the process is always gone afterwards."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._process = subprocess.Popen(
            # -P: the folder of worker.py holds modules of ours whose names must not hide the side's.
            [str(side.python), "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=side.folder,
            env=side.environment(),
            text=True,
            start_new_session=True,  # Ctrl-C is the gate's to handle
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def prepare(self, folder: Path, captures: Sequence[str], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Make rows ready. Row → ``bytes_out`` or ``error``."""
        return self._ask(do="prepare", folder=str(folder), captures=list(captures), rows=list(rows))

    def run(self, row: str, rounds: int) -> dict[str, float]:
        """Run a row ``rounds`` times. Returns ``wall_s`` and ``cpu_s``.

        Raises:
            WorkerDied: The process ended, hung, or the row failed.
        """
        answer = self._ask(do="run", row=row, rounds=rounds)
        if "error" in answer:
            raise WorkerDied(f"{self._side.name}: row {row!r}: {answer['error']}")
        return answer

    def stop(self) -> None:
        """End the process. Idempotent."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what it never read is flushed again by close
                    pipe.close()

    def _ask(self, **command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        hung = threading.Event()

        def give_up() -> None:
            hung.set()
            self._process.kill()

        timer = threading.Timer(SILENCE_LIMIT_S, give_up)
        timer.daemon = True
        timer.start()
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except (BrokenPipeError, ConnectionResetError):
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise WorkerDied(self._last_words(hung=hung.is_set()))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self, *, hung: bool) -> str:
        status = self._process.wait()
        self._stderr.seek(0)
        last = self._stderr.read().decode(errors="replace").strip().rsplit("\n", 1)[-1][:300]
        why = f"did not answer for {SILENCE_LIMIT_S:.0f} s" if hung else f"ended with exit status {status}"
        return f"{self._side.name}: the process {why}" + (f": {last}" if last else "")
