"""Before any block: each row once on either side, to see that it runs and how many passes make a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from packhorse.bench.gate.measure import BASE, HEAD, Bench
from packhorse.bench.gate.process import Worker, WorkerDied


@dataclass(frozen=True, slots=True)
class Probe:
    """What one process of each side said of the rows before any block, and what broke since.

    Attributes:
        bytes_out: Arm → row → bytes that a pass gives; 0 where the row says nothing of it.
        errors: Arm → row → why it cannot run there.
        missing: Arm → rows whose own code is not there, as those that a change adds are missing in the base.
    """

    bytes_out: dict[str, dict[str, int]]
    errors: dict[str, dict[str, str]]
    missing: dict[str, set[str]]

    def failure(self, row: str) -> tuple[str, str] | None:
        """What keeps a row from being compared, as its outcome and the reason: ``broken``, ``base failed``, ``new``."""
        if row in self.errors[HEAD]:
            return "broken", self.errors[HEAD][row]
        if row in self.errors[BASE]:
            new = row in self.missing[BASE]
            return "new" if new else "base failed", self.errors[BASE][row]
        return None


def probe(bench: Bench, names: Sequence[str]) -> Probe:
    """Run every row once on either side and find how many passes make a sample.

    A row that ends its process, or hangs, gets this as its error, and the others a new process. One that fails is tried
    once more in a fresh process before it is believed: a single failure may be chance, and the change's would decide
    the gate. One that hangs is not, which takes :data:`packhorse.bench.child.SILENCE_LIMIT_S` each time; nor is
    one whose code is missing.

    Raises:
        WorkerDied: A side's process cannot be started, or dies at no row.
    """
    seen = Probe({BASE: {}, HEAD: {}}, {BASE: {}, HEAD: {}}, {BASE: set(), HEAD: set()})
    for arm in (BASE, HEAD):
        left, final = list(names), set[str]()
        while left:
            try:
                _probe_side(bench, arm, left, seen)
            except WorkerDied as death:
                if death.row is None:
                    raise
                seen.errors[arm][death.row] = death.reason
                seen.bytes_out[arm].pop(death.row, None)
                if death.hung:
                    final.add(death.row)
            again = seen.errors[arm].keys() - seen.missing[arm] - final
            for name in again:
                del seen.errors[arm][name]
            final |= again
            left = [name for name in left if name not in seen.errors[arm] and name not in seen.bytes_out[arm]]
    return seen


def _probe_side(bench: Bench, arm: str, names: Sequence[str], seen: Probe) -> None:
    with Worker(bench.sides[arm]) as worker:
        for row, answer in worker.prepare(bench.folder, bench.captures, bench.of_arm(arm, names)).items():
            if "error" in answer:
                seen.errors[arm][row] = answer["error"]
                if answer.get("missing"):
                    seen.missing[arm].add(row)
                continue
            once_s = min(worker.run(row, 1)["wall_s"] for _ in range(3))
            passes = max(1, math.ceil(bench.sample_s / max(once_s, 1e-7)))
            # The slower side decides nothing: equal passes on both, enough for the faster one.
            bench.passes[row] = max(passes, bench.passes.get(row, 1))
            seen.bytes_out[arm][row] = answer["bytes_out"]
