"""The gate's end of a side's process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from packhorse.bench.child import Child, ChildEnded
from packhorse.bench.gate.sides import Side
from packhorse.bench.race.machine import scrub
from packhorse.errors import PackhorseError

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
        self._preparing: list[str] = []
        # -P: the folder of worker.py holds modules of ours whose names must not hide the side's.
        self._child = Child([side.python, "-P", _WORKER], folder=side.folder, env=side.environment())

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

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
        prepare = [{"do": "prepare", "row": row} for row in rows]
        self._child.send({"do": "load", "folder": str(folder), "captures": list(captures)}, *prepare, {"do": "settle"})

    def prepared(self) -> dict[str, Any]:
        """Wait for what was begun. Returns and raises as :meth:`prepare`."""
        self._hear(None)
        answers = {row: self._hear(row) for row in self._preparing}
        self._hear(None)
        return answers

    def run(self, row: str, passes: int) -> dict[str, float]:
        """Run a row ``passes`` times. Returns ``wall_s`` and ``cpu_s``.

        Raises:
            WorkerDied: The process ended, hung, or the row failed.
        """
        self._child.send({"do": "run", "row": row, "passes": passes})
        answer = self._hear(row)
        if "error" in answer:
            raise WorkerDied(self._side.name, row, answer["error"])
        return answer

    def stop(self) -> None:
        """End the process and its group. Idempotent."""
        self._child.stop()

    def _hear(self, row: str | None) -> dict[str, Any]:
        """The answer to the command that is next; it was about ``row``, or about none."""
        try:
            answer: dict[str, Any] = self._child.receive()
        except ChildEnded as ended:
            raise WorkerDied(self._side.name, row, scrub(str(ended)), hung=ended.hung) from None
        if "error" in answer:
            answer["error"] = recordable(scrub(answer["error"]))
            if row is None:
                raise WorkerDied(self._side.name, row, answer["error"])
        return answer
