"""Real links in front of real servers: what crosses them, what is counted, and that they end."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from packhorse.bench.lab.link import probe as probe_module
from packhorse.bench.lab.link.model import Link, parse_link
from packhorse.bench.lab.link.start import RunningLink, start_link
from packhorse.bench.lab.server import ServerError
from packhorse.bench.lab.targets import Target, start_target
from packhorse.errors import InputError
from packhorse.stores import boto3_put
from packhorse.stores.base import ObjectInfo

pytestmark = pytest.mark.xdist_group("link")  # one server for all

GONE_LIMIT_S = 60.0
HOLDER = """
import sys, time
from packhorse.bench.lab.link.model import Link
from packhorse.bench.lab.link.start import start_link
with start_link(Link(), "http://127.0.0.1:9") as link:
    print(link.server.pid, flush=True)
    while True:  # a signal that comes just before a sleep would be seen after it only
        time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def sink() -> Iterator[str]:
    command = [sys.executable, "-m", "packhorse.bench.lab.link.sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().split()[1]}"
        process.terminate()


@contextmanager
def connected(link: RunningLink) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", link.server.port), timeout=20) as plain:
        if link.ca_file is None:
            yield plain
        else:
            with ssl.create_default_context(cafile=link.ca_file).wrap_socket(plain, server_hostname="localhost") as tls:
                yield tls


def settled(link: RunningLink) -> RunningLink:
    """Wait until the link has seen that all clients are gone."""
    deadline_s = time.monotonic() + GONE_LIMIT_S
    while link.counts().open_now and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return link


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_connections_requests_and_bytes_are_counted(sink: str, tls: bool) -> None:
    with start_link(parse_link("delay_ms=2"), sink, tls=tls) as link:
        assert link.counts().connections == 0  # the start asks nothing through the link
        for requests in (1, 1, 3, 0):
            with connected(link) as connection:
                for _ in range(requests):
                    probe_module._put(connection, 100_000)
        counts = settled(link).counts()
        assert (counts.connections, counts.thrown_away, counts.unused, counts.requests) == (4, 2, 1, 5)
        assert counts.handshakes == (4 if tls else 0)
        assert counts.failed_handshakes == 0
        assert 500_000 < counts.bytes_up < 520_000
        assert counts.bytes_down > 5 * 30
        assert (link.counts() - counts).requests == 0


def test_a_handshake_that_fails_is_counted_and_ends_the_connection(sink: str) -> None:
    with start_link(Link(), sink, tls=True) as link:
        with socket.create_connection(("127.0.0.1", link.server.port), timeout=20) as plain:
            plain.sendall(b"PUT / HTTP/1.1\r\n\r\n")
            assert plain.recv(1) in {b"", b"\x15", b"H"}  # an alert or the end, never an answer of the server
            while plain.recv(1000):
                pass
        counts = settled(link).counts()
        assert (counts.failed_handshakes, counts.handshakes, counts.requests) == (1, 0, 0)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_large_bodies_cross_both_ways(sink: str, tls: bool) -> None:
    with start_link(parse_link("delay_ms=1,jitter_ms=1"), sink, tls=tls) as link, connected(link) as connection:
        probe_module._put(connection, 20_000_000)
        probe_module._get(connection, 20_000_000)


def test_many_connections_at_once(sink: str) -> None:
    together = threading.Barrier(100)

    def put_some(_: int) -> None:
        with connected(link) as connection:
            together.wait(timeout=60)  # a hundred are open at once
            for _ in range(3):
                probe_module._put(connection, 20_000)

    with start_link(parse_link("same-region"), sink, tls=True) as link, ThreadPoolExecutor(100) as pool:
        list(pool.map(put_some, range(200)))
        counts = settled(link).counts()
        assert (counts.connections, counts.requests, counts.handshakes) == (200, 600, 200)
        # The link sees a connection's end later than the client, so the second hundred may overlap with the first.
        assert 100 <= counts.open_peak <= 200


def test_the_half_that_a_client_closes_does_not_close_the_other(sink: str) -> None:
    with start_link(parse_link("delay_ms=5"), sink) as link, connected(link) as connection:
        connection.sendall(b"GET /1000 HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(10_000):
            answer += data
        assert answer.endswith(bytes(1000))


def test_a_server_that_is_not_there_closes_connections() -> None:
    with socket.socket() as bound:  # bound and not listening: nobody else can take the port meanwhile
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with start_link(Link(), url) as link, connected(link) as connection:
            assert connection.recv(1) == b""


def test_achieved_says_what_was_asked_and_what_came(sink: str) -> None:
    link = parse_link("delay_ms=10,service_ms=10,up_mbit=50,down_mbit_per_connection=80")
    with start_link(link, sink) as running:
        before = running.achieved()
        with connected(running) as connection:
            probe_module._put(connection, 10)
        achieved = running.achieved()
        assert running.counts().requests == 1  # the probe has a way of its own
    assert (before.late_up_ms, achieved.asked_answer_ms, achieved.asked_up_mbit) == (None, 30, 50)
    assert achieved.asked_first_answer_ms == 50
    assert achieved.asked_down_mbit == 80
    # Never faster than asked, whatever the machine does; how much slower is for records to say.
    assert achieved.answer_ms >= 29.9
    assert achieved.first_answer_ms >= 49.9
    assert achieved.up_mbit <= 55
    assert achieved.late_up_ms is not None
    record = json.loads(json.dumps(achieved.to_record()))
    assert set(record["errors"]) == {"answer", "first_answer", "up", "down"}


def test_a_link_leads_to_a_plain_server() -> None:
    for url in ("https://minio.example:9000", "http://minio.example", "minio:9000"):
        with pytest.raises(InputError, match="host:port"):
            start_link(Link(), url)
    with pytest.raises(InputError, match="local targets"):
        start_target("http://minio.example", bucket="captures", link=Link())


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with start_target("rclone", tls=True, link=parse_link("delay_ms=3")) as running:
        yield running


def test_a_pool_that_is_too_small_shows_on_the_wire(target: Target) -> None:
    assert target.link is not None
    store = boto3_put.make(endpoint=target.endpoint, pool=2)
    store.put("churn/first", b"", ObjectInfo())  # makes the folder, for which puts at once would race at rclone
    before = target.link.counts()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: store.put(f"churn/{n}", bytes(20_000), ObjectInfo()), range(120)))
    seen = target.link.counts() - before
    assert seen.requests == 120
    assert seen.connections > 12  # surplus connections are thrown away, and opened again
    assert seen.handshakes == seen.connections
    with store.open("churn/5") as found:
        assert b"".join(found.chunks) == bytes(20_000)
    store.close()


def family(pid: int) -> list[psutil.Process]:
    watchdog = psutil.Process(pid)
    return [watchdog, *watchdog.children(recursive=True)]


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=GONE_LIMIT_S)
    assert alive == []


def test_a_stopped_target_leaves_nothing_behind() -> None:
    with start_target("rclone", tls=True, link=Link()) as target:
        assert target.server is not None
        assert target.link is not None
        processes = family(target.server.pid) + family(target.link.server.pid)
        folders = (target.server.directory, target.link.server.directory)
        assert len(processes) == 4
    assert_gone(processes)
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_ends_with_its_owner(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as holder:
        assert holder.stdout is not None
        processes = family(int(holder.stdout.readline()))
        os.killpg(holder.pid, how)
        holder.wait(GONE_LIMIT_S)
    assert_gone(processes)


def test_a_link_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Link, "to_record", lambda _: {"moon": 1})
    with pytest.raises(ServerError, match="moon"):
        start_link(Link(), "http://127.0.0.1:9")
    assert list(tmp_path.iterdir()) == []
