"""Web servers that fork their workers, before or after the uploader was made and used, and end them by a signal."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hosts.host import Host, check, get, requires, wait_for

pytestmark = pytest.mark.hosts
REQUESTS = 60
#: Where the page's services listen.
SHOWN = "127.0.0.1:8000"


def served(
    host: Host,
    command: str,
    *,
    requests: int = REQUESTS,
    also: int = 0,
    rest_s: float = 0.0,
    slowest_s: float = 5.0,
) -> None:
    """Start the host, ask 60 times, end it, and see what became of all captures."""
    address = host.instead.get(SHOWN) or f"127.0.0.1:{host.port(SHOWN)}"
    root = f"http://{address}"
    command = host.here(command).replace("--port 8000", f"--port {address.rpartition(':')[2]}")
    took_s: list[float] = []

    def ask(number: int) -> None:
        begun_s = time.monotonic()
        get(f"{root}/{number}")
        took_s.append(time.monotonic() - begun_s)

    with host.running(command):
        wait_for(f"{root}/first")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, range(requests - 1)))
        time.sleep(rest_s)
    assert max(took_s) < slowest_s
    check(host.fates(requests + also), spool=host.spool, said=host.said())


@requires("gunicorn")
@pytest.mark.parametrize("hook", [False, True], ids=["", "worker_exit"])
@pytest.mark.parametrize("number", range(3), ids=["sync", "gthread", "preload"])
def test_gunicorn(number: int, hook: bool, host: Host) -> None:
    commands = host.prepare("gunicorn", **{"close(20)": "close(3)"})
    if not hook:
        (host.folder / "gunicorn.conf.py").unlink()
    served(host, commands[number])


@requires("gunicorn", ".gevent")
@pytest.mark.parametrize("client", ["obstore", "boto3"])
@pytest.mark.parametrize("preload", ["", " --preload"])
def test_gevent(preload: str, client: str, host: Host) -> None:
    pipeline = f'Pipeline.parse("orjson-stream | isal:1 | raw | {client}")'
    profile = f', profile=Profile("p", {pipeline}, max_in_flight=8))'
    spool = ', spool_dir="spool"'
    host.instead = {
        f"{spool})": f"{spool if host.spool else ''}{profile}",
        "import Uploader": "import Pipeline, Profile, Uploader",
    }
    (command,) = host.prepare("gunicorn with gevent")
    served(host, command + preload, slowest_s=0.9)


@requires("gunicorn", ".gevent")
@pytest.mark.parametrize("client", ["obstore", "boto3"])
def test_gevent_large(client: str, host: Host) -> None:
    """Captures that are sent as multipart: no request waits for a part."""
    host.instead |= {
        "from packhorse import Uploader": "import os\nfrom packhorse import Pipeline, Profile, Uploader",
        'captures/checkout"': f'captures/checkout", redact=False, profile=Profile("p", '
        f'Pipeline.parse("orjson-stream | isal:1 | raw | {client}"), max_in_flight=4)',
        '{"path": environ["PATH_INFO"]}': '[TEXT, environ["PATH_INFO"]]',
        "def app(": "TEXT = os.urandom(9 << 20).hex()\n\n\ndef app(",
    }
    (command,) = host.prepare("gunicorn with gevent")
    served(host, command, requests=4, slowest_s=0.9, rest_s=6.0)
    assert host.s3.put_s is None or len(host.fates(4).stored) == 4
    assert all(len(body) > 8 << 20 for body in host.s3.stored.values())


@requires("gunicorn", "uvicorn", ".fastapi", ".uvicorn_worker")
@pytest.mark.parametrize("number", range(3), ids=["uvicorn", "gunicorn", "gunicorn-preload"])
def test_uvicorn(number: int, host: Host) -> None:
    commands = host.prepare("uvicorn and FastAPI")
    served(host, commands[number])


@requires("uwsgi")
@pytest.mark.parametrize("used", ["used-before-the-fork", "not-told-of-the-fork", "unused"])
def test_uwsgi(used: str, host: Host) -> None:
    startup = 'uploader.submit_nowait({"path": "startup"})'
    if used == "not-told-of-the-fork":
        host.instead |= {startup: f"{startup}; uploader.flush(5.0)", "py-call-uwsgi-fork-hooks = true": ""}
    elif used == "unused":
        host.instead |= {startup: ""}
    host.port(SHOWN)
    (command,) = host.prepare("uWSGI")
    # It passes over Python's exit hooks in a worker that has not quite done with its last request.
    served(host, command, also=int(used != "unused"), rest_s=0.5)
