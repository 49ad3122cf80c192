"""What an application hands in while uWSGI's master loads it. The master and its workers are played."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLAYED = """
import ctypes, os, sys, threading, types
workers = [{"pid": 0}, {"pid": 0}]
uwsgi = types.ModuleType("uwsgi")
uwsgi.master, uwsgi.id = os.getpid(), 0
uwsgi.masterpid, uwsgi.worker_id, uwsgi.workers = lambda: uwsgi.master, lambda: uwsgi.id, lambda: workers
uwsgi.post_fork_hook = lambda: told.append("chained")
told = []
sys.modules["uwsgi"] = uwsgi
from packhorse import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options
store = FakeStore()
up = Uploader("s3://bucket", profile=PROFILE, options=options(store))


def worker(number, work, hook=True):
    pid = FORK()
    if pid == 0:
        try:
            uwsgi.id = number
            if hook:
                uwsgi.post_fork_hook()
            work()
            up.close()
            counts = up.stats()
            print(number, counts.submitted, counts.uploaded, *sorted(store.objects), flush=True)
            os._exit(0)
        finally:
            os._exit(1)
    workers[number - 1]["pid"] = pid
    assert os.waitpid(pid, 0)[1] == 0


"""
HELD = """
tickets = [up.submit_nowait({}, key=key) for key in "ab"]
assert threading.active_count() == 1
assert (up.stats().submitted, up.flush(20.0).in_flight, up.stats().in_flight) == (2, 2, 2)
assert threading.active_count() == 1
"""


def played(script: str, *, fork: str = "os.fork") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PLAYED.replace("FORK", fork) + script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("fork", ["os.fork", "ctypes.PyDLL(None).fork"], ids=["told", "not-told"])
def test_the_first_worker_goes_on_with_it(fork: str) -> None:
    """The others, and who is forked later in its place, do not."""
    work = """
    assert told == ["chained"]
    up.submit_nowait({}, key=f"own-{uwsgi.id}")
"""
    script = f"{HELD}\ndef work():{work}\nworker(2, work)\nworker(1, work)\nworker(2, work)\n"
    assert played(script, fork=fork) == ["2 3 3 a b own-2", "1 1 1 own-1", "2 1 1 own-2"]


@pytest.mark.parametrize("work", ["lambda: up.submit_nowait({}, key='c')", "lambda: None"])
def test_a_worker_whose_hook_was_replaced_looks_with_its_first_capture_and_at_its_end(work: str) -> None:
    end = "import packhorse.uploader.endings as endings\nup.close = endings.end_all\n"
    (line,) = played(f"{HELD}{end}worker(1, {work}, hook=False)\n")
    assert line in {"1 3 3 a b c", "1 2 2 a b"}


def test_its_tickets_are_settled_in_the_worker() -> None:
    script = "worker(1, lambda: print(*(ticket.result(20).key for ticket in tickets)))\n"
    assert played(HELD + script) == ["a b", "1 2 2 a b"]


@pytest.mark.parametrize(
    "wait", ["tickets[0].result(20)", "up.close()", "__import__('asyncio').run(wait())", "polled()"]
)
def test_where_somebody_waits_the_master_does_it(wait: str) -> None:
    ways = """
async def wait():
    await tickets[0]
def polled():
    import time
    while not tickets[0].done():
        time.sleep(0.01)
"""
    after = "\nassert sorted(store.objects) == ['a', 'b'] or not up.flush(20.0).in_flight\nstore.objects.clear()\n"
    assert played(HELD + ways + wait + after + "worker(1, lambda: None)\n") == ["1 0 0"]


def test_a_full_master_lets_nobody_wait_in_line_for_ever() -> None:
    script = (
        "up.set_limits(memory_budget_bytes=64 * 1024)\n"
        "for number in range(100): up.submit({'text': 'x' * 2000}, timeout_s=20)\n"
        "up.close()\nprint(up.stats().uploaded)\n"
    )
    assert played(script) == ["100"]


@pytest.mark.parametrize("number", [1, 2])
def test_a_thread_in_the_master_works_on_after_the_fork(number: int) -> None:
    """What a worker has taken over is not the master's any more; what none has is done there."""
    work = "worker(1, lambda: None)\n" if number == 1 else "workers[0]['pid'] = 1\n"
    script = f"{work}up.submit_nowait({{}}, key='c')\nup.close()\nprint(up.stats().submitted, *sorted(store.objects))\n"
    assert played(HELD + script) == (["1 2 2 a b", "1 c"] if number == 1 else ["3 a b c"])


def test_without_a_master_nothing_is_held_back() -> None:
    script = "uwsgi.master = 0\nup.submit_nowait({}, key='a')\nassert threading.active_count() > 1\nup.close()\n"
    assert played(script + "worker(1, lambda: None)\nprint(*store.objects)\n") == ["1 0 0 a", "a"]
