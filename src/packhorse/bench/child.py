"""Child processes: start one, exchange messages, and be sure that nothing of it is left.

    with Child.of("packhorse.bench.race.worker:sample") as child:
        child.send({"arms": [...]})
        for message in child.messages():
            ...

A child is a fresh interpreter in a process group of its own: Ctrl-C is the parent's to handle, and the group is killed
as a whole. It also ends when the parent is killed: see :func:`packhorse.bench.child_side.end_with_parent`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from packhorse.bench.child_side import LIFELINE
from packhorse.errors import PackhorseError

#: A child that says nothing for this long hangs and is killed.
SILENCE_LIMIT_S = 120.0
#: Seconds between looks at whether a silent process is still there: a process that it started may hold its pipe open.
LOOK_S = 0.2
#: Seconds that a process which has closed its pipe gets to end by itself, so that its exit status is its own.
GRACE_S = 2.0
#: Characters of a child's last words.
_SHOWN = 300


class ChildEnded(PackhorseError):
    """A child ended or hung before it had said what was asked for; the text says how.

    Attributes:
        hung: It was ended for its silence.
    """

    def __init__(self, reason: str, *, hung: bool = False) -> None:
        super().__init__(reason)
        self.hung = hung


class Child:
    """One child process. Use as a context manager; it and all that it has started are always gone afterwards.

    Args:
        command: The program and its arguments.
        folder: Where it runs; None for here.
        env: Its whole environment; None for ours.
    """

    def __init__(
        self, command: Sequence[str | Path], *, folder: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self._heard = b""
        self._stopped = False
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        theirs, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                cwd=folder,
                env={**(os.environ if env is None else env), LIFELINE: str(theirs)},
                bufsize=0,
                pass_fds=(theirs,),
                start_new_session=True,
            )
        except BaseException:
            os.close(self._lifeline)
            self._stderr.close()
            raise
        finally:
            os.close(theirs)

    @classmethod
    def of(cls, target: str) -> Self:
        """A child of this interpreter that runs ``module:function`` with its end of the connection."""
        return cls([sys.executable, "-m", "packhorse.bench.child_side", target])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id, which is that of its group."""
        return self._process.pid

    def send(self, *messages: Any) -> None:
        """Send JSON-able messages, but never wait for long: one that hangs does not read. What it says next tells."""
        assert self._process.stdin is not None
        lines = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
        pipe, deadline_s = self._process.stdin.fileno(), time.monotonic() + SILENCE_LIMIT_S
        os.set_blocking(pipe, False)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while lines and _ready(pipe, select.POLLOUT, deadline_s - time.monotonic()):
                with contextlib.suppress(BlockingIOError):
                    lines = lines[os.write(pipe, lines) :]

    def receive(self) -> Any:
        """The next message.

        Raises:
            ChildEnded: It ended, was silent for :data:`SILENCE_LIMIT_S`, or said what is no message. It is gone then.
        """
        hung = False
        try:
            return json.loads(self._line(time.monotonic() + SILENCE_LIMIT_S))
        except TimeoutError:
            why, hung = f"did not answer for {SILENCE_LIMIT_S:.0f} s", True
        except (EOFError, ConnectionResetError):
            why = self._ending()
        except ValueError:
            why = "wrote into our pipe"
        end_group(self._process)
        raise ChildEnded(f"the process {why}{self._last_words()}", hung=hung)

    def messages(self) -> Iterator[Any]:
        """Messages until one says ``{"event": "end"}``. Raises ChildEnded as :meth:`receive`."""
        while (message := self.receive()) != {"event": "end"}:
            yield message

    def stop(self) -> None:
        """End the process and its group. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        end_group(self._process)
        os.close(self._lifeline)
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

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
        last = self._stderr.read().decode(errors="replace").strip().rsplit("\n", 1)[-1][:_SHOWN]
        return f": {last}" if last else ""


def end_group(process: subprocess.Popen[Any]) -> None:
    """Kill a process that was started with ``start_new_session``, and every process of its group; wait for it.

    Its children are killed also when it has ended before them. One that leaves the group (a daemon) is not found.
    """
    # A group without members is gone, and macOS does not let its zombies be signalled.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.poll() is None:
        process.kill()
        process.wait()


def run_to_end(
    command: Sequence[str | Path], *, folder: Path, env: Mapping[str, str], limit_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command and gather its output. No process of its group is left, also after a time limit and an interrupt.

    Raises:
        subprocess.TimeoutExpired: It took longer than ``limit_s``.
        FileNotFoundError: There is no such program.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",  # file names that git lists may be of any bytes
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=limit_s)
    finally:
        end_group(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def _ready(pipe: int, event: int, wait_s: float) -> bool:
    poller = select.poll()
    poller.register(pipe, event)
    return bool(poller.poll(max(0.0, wait_s) * 1000))
