"""``packhorse study large``: what a large capture does on its way through the uploader, to a real S3 server.

Two experiments. An event loop is watched while a 57 MB capture goes up: in its own process, by ``AsyncUploader``; in
another process, which has the same cores and not the same interpreter; and with nothing going on. And a 100 MB capture
that never exists whole goes up from an iterator of entries: its time beside those of encoding and of sending alone,
and the memory it takes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benches.studies.blocks import fresh, orders
from benches.studies.large import iterator as large_iterator
from benches.studies.large import loop as large_loop
from benches.studies.large.report import markdown
from packhorse.bench.lab.link.model import parse_link
from packhorse.bench.lab.targets import start_target
from packhorse.profiles.loading import load_profile

__all__ = ["markdown", "study"]

LOOP_BYTES = 57_000_000
ITERATOR_BYTES = 100_000_000
#: Ways to the server: as near as can be, and one on which sending takes about as long as encoding.
LINKS = ("loopback", "same-region")


def study(*, quick: bool, seed: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """Run the whole study against ``rclone`` and return its result document."""
    blocks, repeats = (2, 2) if quick else (6, 4)
    steps = blocks * (1 + len(LINKS))
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(done / steps)

    loops: list[large_loop.Watch] = []
    with start_target("rclone") as target:
        version = target.version
        for order in orders(large_loop.ARMS, blocks, seed):
            loops += fresh(large_loop.run_block, large_loop.Spec(target.endpoint, order, LOOP_BYTES, seed, repeats))
            step()
    iterators: dict[str, list[large_iterator.Timed]] = {}
    for link in LINKS:
        with start_target("rclone", link=None if link == "loopback" else parse_link(link)) as target:
            for order in orders(large_iterator.ARMS, blocks, seed):
                spec = large_iterator.Spec(target.endpoint, order, ITERATOR_BYTES, seed)
                iterators.setdefault(link, []).extend(fresh(large_iterator.run_block, spec))
                step()
    settings = {"seed": seed, "blocks": blocks, "repeats": repeats, "target": version}
    return {
        "settings": {
            **settings,
            "pipeline": str(load_profile().pipeline),
            "loop_capture_bytes": LOOP_BYTES,
            "iterator_capture_bytes": ITERATOR_BYTES,
        },
        "event_loop": {arm: _loop_figures([row for row in loops if row.arm == arm]) for arm in large_loop.ARMS},
        "iterator": {link: large_iterator.figures(rows) for link, rows in iterators.items()},
        "samples": {
            "event_loop": [asdict(row) for row in loops],
            "iterator": [{"link": link, **asdict(row)} for link, rows in iterators.items() for row in rows],
        },
    }


def _loop_figures(rows: list[large_loop.Watch]) -> dict[str, Any]:
    """``in_a_queue``: of the worst moment, how long this thread waited for a core, which the kernel gives."""
    worst = max(rows, key=lambda row: row.lag_max_s)
    ticks = sum(row.ticks for row in rows)
    return {
        "watched": len(rows),
        "lag_median_of_max_s": statistics.median(row.lag_max_s for row in rows),
        "lag_max_s": worst.lag_max_s,
        "of_it_in_a_queue_for_a_core_s": worst.queued_s,
        "late_ticks_per_1000": 1000 * sum(row.late_ticks for row in rows) / ticks,
        "wall_s": statistics.median(row.wall_s for row in rows),
    }
