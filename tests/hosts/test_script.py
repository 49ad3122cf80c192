"""A script that never closes its uploader, threads, asyncio, trio, PID 1: processes that end by themselves."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest

from tests.hosts.host import Host, check, no_warnings, requires

CAPTURES = 60
#: Seconds from the last capture to the end: 2 s to drain, then spooling, and a busy machine.
PROMPT_S = 8.0


@pytest.mark.parametrize(
    "heading",
    [
        "A script or a cron job",
        "Threads",
        "asyncio",
        pytest.param("trio", marks=[pytest.mark.hosts, requires(".trio")]),
    ],
)
def test_a_script(heading: str, host: Host) -> None:
    (command,) = host.prepare(heading)
    begun_s = time.monotonic()
    assert host.run(command) == 0, host.said()
    assert time.monotonic() - begun_s < PROMPT_S, host.said()
    no_warnings(host.said())
    check(host.fates(CAPTURES), spool=host.spool, said=host.said())


def test_a_script_drains_at_exit(host: Host) -> None:
    """What S3 takes in time is stored, although nobody closed the uploader: with the defaults, and without a word."""
    if host.s3.put_s is None:
        pytest.skip("it never answers")
    host.s3.put_s = 0.02
    (command,) = host.prepare("A script or a cron job")
    assert (host.run(command), host.said()) == (0, "")
    assert len(host.fates(CAPTURES).stored) == CAPTURES


def test_os_exit_after_a_flush(host: Host) -> None:
    """Nothing of Python's runs at the end: what ``flush`` has not got stored is on disk by then."""
    (command,) = host.prepare("A script or a cron job")
    script = host.folder / "script.py"
    ending = (
        "\nimport os\nprint(uploader.flush(3.0))\nuploader.submit_nowait({'number': 'later'})\n"
        "uploader.flush(3.0)\nos._exit(0)\n"
    )
    script.write_text(script.read_text() + ending)
    assert host.run(command) == 0, host.said()
    if host.spool:
        check(host.fates(CAPTURES + 1), spool=True, said="")
    assert "in_flight" in host.said()


@pytest.mark.hosts
@requires(".trio")
def test_the_asyncio_face_says_what_to_do_under_trio(host: Host) -> None:
    script = (
        "import trio, packhorse\n"
        "async def main():\n"
        "    uploader = packhorse.AsyncUploader('s3://debug-captures')\n"
        "    for call in (uploader.submit, uploader.upload):\n"
        "        try: await call({})\n"
        "        except packhorse.PackhorseError as error: print(type(error).__name__, error)\n"
        "    try:\n"
        "        async with uploader: pass\n"
        "    except packhorse.PackhorseError as error: print(type(error).__name__, error)\n"
        "trio.run(main)\n"
    )
    (host.folder / "script.py").write_text(script)
    assert host.run("python script.py") == 0, host.said()
    lines = host.said().splitlines()
    assert len(lines) == 3, host.said()
    assert all("trio.to_thread.run_sync" in line and "Uploader" in line for line in lines), host.said()


@pytest.mark.hosts
@pytest.mark.skipif(
    shutil.which("unshare") is None or os.geteuid() != 0, reason="needs unshare, and root: apt-get install util-linux"
)
def test_pid_1_ends_after_the_signal(host: Host) -> None:
    (command,) = host.prepare("A container: PID 1")
    # Python itself is PID 1 of a new namespace; unshare passes no signal on, so that its child gets it.
    with host.running(f"unshare --pid --fork --kill-child {command}") as outer:
        while "ready" not in host.said():
            assert outer.poll() is None, host.said()
            time.sleep(0.05)
        with open(f"/proc/{outer.pid}/task/{outer.pid}/children") as children:
            (inner,) = map(int, children.read().split())
        os.kill(inner, signal.SIGTERM)
        assert outer.wait(15) == 128 + signal.SIGTERM, host.said()
        outer.send_signal = lambda sig: None  # type: ignore[method-assign]  # it has ended
    check(host.fates(CAPTURES), spool=host.spool, said=host.said())
