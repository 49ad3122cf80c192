"""The gate's end of a side's process."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from packhorse.bench.gate.group import end_group
from packhorse.bench.gate.sides import Side
from packhorse.bench.race.machine import scrub
from packhorse.errors import PackhorseError

#: A side that does not answer for this long hangs and is killed.
SILENCE_LIMIT_S = 120.0
#: Seconds between looks at whether a silent process is still there: a process that it started may hold its pipe open.
LOOK_S = 0.2
#: Seconds that a process which has closed its pipe gets to end by itself, so that its exit status is its own.
GRACE_S = 2.0
_WORKER = Path(__file__).with_name("worker.py")


class WorkerDied(PackhorseError):
    """A side's process ended or hung, or a row failed in it.

    Attributes:
        side: ``base`` or ``head``.
        row: The row under way; None where the process was not at one, which is no row's fault.
        reason: Its exit status, signal or time limit, and its last words.
        hung: It was ended for its silence.
    """

    def __init__(self, side: str, row: str | None, reason: str, *, hung: bool = False) -> None:
        self.side, self.row, self.reason, self.hung = side, row, reason, hung
        super().__init__(f"{side}: {reason}" if row is None else f"{side}: row {row!r}: {reason}")


def recordable(text: str) -> str:
    """``text`` with "?" for lone surrogates, as names of files in odd bytes have them: UTF-8 cannot hold them."""
    return text.encode(errors="replace").decode()


class Worker:
    """One process of one side. Use as a context manager; it and all that it has started are always gone afterwards."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._heard = b""
        self._preparing: list[str] = []
        self._stopped = False
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._process = subprocess.Popen(
            # -P: the folder of worker.py holds modules of ours whose names must not hide the side's.
            [str(side.python), "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=side.folder,
            env=side.environment(),
            bufsize=0,
            start_new_session=True,  # Ctrl-C is the gate's to handle, and the group can be killed as a whole
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def prepare(self, folder: Path, captures: Sequence[str], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Make rows ready. Row → ``bytes_out``, or ``error`` and perhaps ``missing``.

        Raises:
            WorkerDied: The process ended or hung; ``row`` is the one that it did this at.
        """
        self.begin_prepare(folder, captures, rows)
        return self.prepared()

    def begin_prepare(self, folder: Path, captures: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        """Have rows made ready, without waiting: several processes can do this at the same time."""
        self._preparing = [row["name"] for row in rows]
        commands: list[dict[str, Any]] = [{"do": "load", "folder": str(folder), "captures": list(captures)}]
        commands += [{"do": "prepare", "row": row} for row in rows]
        self._say([*commands, {"do": "settle"}])

    def prepared(self) -> dict[str, Any]:
        """Wait for what was begun. Returns and raises as :meth:`prepare`."""
        self._hear(None)
        answers = {row: self._hear(row) for row in self._preparing}
        self._hear(None)
        return answers

    def run(self, row: str, rounds: int) -> dict[str, float]:
        """Run a row ``rounds`` times. Returns ``wall_s`` and ``cpu_s``.

        Raises:
            WorkerDied: The process ended, hung, or the row failed.
        """
        self._say([{"do": "run", "row": row, "rounds": rounds}])
        answer = self._hear(row)
        if "error" in answer:
            raise WorkerDied(self._side.name, row, answer["error"])
        return answer

    def stop(self) -> None:
        """End the process and its group. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        end_group(self._process)
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _hear(self, row: str | None) -> dict[str, Any]:
        """The answer to the command that is next; it was about ``row``, or about none."""
        hung = False
        try:
            answer: dict[str, Any] = json.loads(self._line(time.monotonic() + SILENCE_LIMIT_S))
        except TimeoutError:
            why, hung = f"did not answer for {SILENCE_LIMIT_S:.0f} s", True
        except (EOFError, ConnectionResetError):
            why = self._ending()
        except ValueError:
            why = "wrote into the gate's pipe"
        else:
            if "error" in answer:
                answer["error"] = recordable(scrub(answer["error"]))
                if row is None:
                    raise WorkerDied(self._side.name, row, answer["error"])
            return answer
        end_group(self._process)
        raise WorkerDied(self._side.name, row, f"the process {why}{self._last_words()}", hung=hung)

    def _say(self, commands: Sequence[dict[str, Any]]) -> None:
        """Write commands, but never wait for long: one that hangs does not read. The answers tell what is wrong."""
        assert self._process.stdin is not None
        lines = b"".join(json.dumps(command).encode() + b"\n" for command in commands)
        pipe, deadline_s = self._process.stdin.fileno(), time.monotonic() + SILENCE_LIMIT_S
        os.set_blocking(pipe, False)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while lines and _ready(pipe, select.POLLOUT, deadline_s - time.monotonic()):
                with contextlib.suppress(BlockingIOError):
                    lines = lines[os.write(pipe, lines) :]

    def _line(self, deadline_s: float) -> bytes:
        """The next line.

        Raises:
            EOFError: The process has ended, even if others hold its pipe open.
            TimeoutError: The deadline passed.
        """
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._heard:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            ended = self._process.poll() is not None  # asked first: what it said before that is in the pipe by now
            if _ready(pipe, select.POLLIN, 0 if ended else min(left_s, LOOK_S)):
                chunk = os.read(pipe, 1 << 16)
                if not chunk:
                    raise EOFError
                self._heard += chunk
            elif ended:
                raise EOFError
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def _ending(self) -> str:
        try:
            status = self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        if status < 0:
            try:
                return f"was ended by {signal.Signals(-status).name}"
            except ValueError:  # a real-time signal has no name
                return f"was ended by signal {-status}"
        return f"ended with exit status {status}"

    def _last_words(self) -> str:
        self._stderr.seek(0)
        last = scrub(self._stderr.read().decode(errors="replace").strip().rsplit("\n", 1)[-1])[:300]
        return f": {last}" if last else ""


def _ready(pipe: int, event: int, wait_s: float) -> bool:
    poller = select.poll()
    poller.register(pipe, event)
    return bool(poller.poll(max(0.0, wait_s) * 1000))
