"""Starting a block process and gathering what it says."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from packhorse.bench.race.spec import BlockSpec, Sample

#: A block that says nothing for this long hangs and is killed; the arm under way gets an error row.
SILENCE_LIMIT_S = 120.0


@dataclass(slots=True)
class BlockOutcome:
    """What a block process said, filled line by line so that an interrupt keeps what was measured.

    Attributes:
        samples, warmups: In running order.
        errors: Arm → what went wrong.
        notes: Lines of other kinds (``ok``, ``slow``, ``memory``).
        duration_s: Wall time with start and exit of the process.
        finished: False when the process died, hung or was interrupted.
    """

    samples: list[Sample] = field(default_factory=list)
    warmups: list[Sample] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)
    duration_s: float = 0.0
    finished: bool = False
    under_way: str | None = None

    def take(self, event: dict[str, Any]) -> None:
        """Take in one line."""
        kind = event["event"]
        if kind == "sample":
            self.samples.append(Sample.from_dict(event))
        elif kind == "warmup":
            self.warmups.append(Sample.from_dict(event))
        elif kind == "error":
            self.errors[event["arm"]] = event["error"]
        elif kind == "start":
            self.under_way = event["arm"]
        elif kind == "end":
            self.finished = True
        else:
            self.notes.append(event)


def run_block(spec: BlockSpec, outcome: BlockOutcome) -> None:
    """Run one block process to its end, filling ``outcome``.

    A process that dies (a crash inside a C library) or falls silent becomes an error of the arm under way. On
    KeyboardInterrupt the process is killed and the interrupt passes on. The process is always gone afterwards.
    """
    begun = time.monotonic()
    with tempfile.TemporaryFile() as stderr:
        # A session of its own keeps Ctrl-C away from it: the race decides what is kept.
        process = subprocess.Popen(
            [sys.executable, "-m", "packhorse.bench.race.block"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        watchdog = _Watchdog(process)
        try:
            _converse(process, spec, outcome, watchdog)
        finally:
            watchdog.stop()
            if process.poll() is None:
                process.kill()
            process.wait()
            outcome.duration_s = time.monotonic() - begun
        if not outcome.finished or process.returncode != 0:
            stderr.seek(0)
            last = stderr.read().decode(errors="replace").strip().rsplit("\n", 1)[-1][:300]
            why = f"fell silent for {SILENCE_LIMIT_S:.0f} s" if watchdog.fired else f"exit status {process.returncode}"
            arm = outcome.under_way or "(start)"
            outcome.errors.setdefault(arm, f"the block process ended badly: {why}" + (f"; {last}" if last else ""))


def _converse(process: subprocess.Popen[str], spec: BlockSpec, outcome: BlockOutcome, watchdog: _Watchdog) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(spec.to_json() + "\n")
        process.stdin.close()
    except BrokenPipeError:
        return  # it died at once; its exit status and stderr tell
    for line in process.stdout:
        watchdog.pat()
        outcome.take(json.loads(line))
    process.wait()


class _Watchdog:
    """Kills a process that has said nothing for :data:`SILENCE_LIMIT_S`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._stopped = threading.Event()
        self._last = time.monotonic()
        self.fired = False
        threading.Thread(target=self._watch, name="packhorse-race-watchdog", daemon=True).start()

    def pat(self) -> None:
        self._last = time.monotonic()

    def stop(self) -> None:
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(1.0):
            if time.monotonic() - self._last > SILENCE_LIMIT_S:
                self.fired = True
                self._process.kill()
                return
