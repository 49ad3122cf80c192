"""Starting a server process that picks its own port, and ending it whatever happens."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from packhorse.errors import PackhorseError

#: Seconds a server may take until it answers its first request; moto needs two to three on a loaded machine.
START_LIMIT_S = 30.0
#: Seconds between two looks at a server that is starting.
LOOK_S = 0.02
#: Seconds for the watchdog to end its server (three, then a kill) and itself.
STOP_LIMIT_S = 10.0
#: Characters of a server's output shown when it does not start.
SHOWN_CHARS = 2000
#: What servers get of our environment: no proxies, no AWS or rclone settings.
_KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT", "PYTHONPATH", "VIRTUAL_ENV")


class ServerError(PackhorseError):
    """A local server did not start; the text holds the end of what it said."""


class Server:
    """A server process behind a watchdog. Ends with :meth:`stop`, with this object, and with this process.

    Attributes:
        port: The port on 127.0.0.1 that it picked.
        directory: A temporary directory of its own, removed when it stops.
    """

    def __init__(self, directory: tempfile.TemporaryDirectory[str], watchdog: subprocess.Popen[bytes]) -> None:
        self.port = 0
        self.directory = Path(directory.name)
        self._watchdog = watchdog
        self.stop = weakref.finalize(self, _stop, directory, watchdog)

    @property
    def pid(self) -> int:
        """Process id of the watchdog; the server is its only child."""
        return self._watchdog.pid

    @property
    def output(self) -> str:
        """What the server has written so far, its first 256 KiB."""
        log = self.directory / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def wait_for_port(self, pattern: re.Pattern[str], deadline_s: float, answers: Callable[[int], bool]) -> None:
        """Wait until the output matches ``pattern``, whose first group is the port, and ``answers`` of it is true.

        Raises:
            ServerError: The server ended, or the deadline (monotonic clock) passed.
        """
        while time.monotonic() < deadline_s and self._watchdog.poll() is None:
            if not self.port and (match := pattern.search(self.output)):
                self.port = int(match[1])
            if self.port and answers(self.port):
                return
            time.sleep(LOOK_S)
        ended = self._watchdog.poll()
        what = "did not answer in time" if ended is None else f"ended with exit status {ended}"
        raise ServerError(f"the server {what}; it said:\n{self.output[-SHOWN_CHARS:].strip() or '(nothing)'}")


def answers_http(port: int) -> bool:
    """True when something on ``port`` answers a plain request, whatever it says short of a server's error."""
    return _answers(http.client.HTTPConnection("127.0.0.1", port, timeout=5))


def answers_https(context: ssl.SSLContext) -> Callable[[int], bool]:
    """As :func:`answers_http`, over TLS."""
    return lambda port: _answers(http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context))


def _answers(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


def start(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    port_pattern: re.Pattern[str],
    prepare: Callable[[Path], object] = lambda _: None,
    answers: Callable[[Path], Callable[[int], bool]] = lambda _: answers_http,
) -> Server:
    """Start ``command`` and wait until it answers.

    Args:
        command: Program and arguments; ``{dir}`` in an argument becomes the server's temporary directory.
        env: Its whole environment.
        port_pattern: Matches the line in which the server says its port.
        prepare: Called with the temporary directory before anything starts: puts files there that the server needs.
        answers: Gives, for that directory, the function that asks the server on a port whether it is ready.

    Raises:
        ServerError: It did not start; nothing of it is left.
    """
    directory = tempfile.TemporaryDirectory(prefix="packhorse-")
    try:
        prepare(Path(directory.name))
    except BaseException:
        directory.cleanup()
        raise
    log = Path(directory.name) / "log"
    filled = [argument.replace("{dir}", directory.name) for argument in command]
    watchdog = subprocess.Popen(
        [sys.executable, "-m", "packhorse.bench.lab.watchdog", str(log), *filled],
        stdin=subprocess.PIPE,
        env=dict(env),
        start_new_session=True,  # Ctrl-C is for the one who asked; the server goes when that one lets go
    )
    server = Server(directory, watchdog)
    try:
        server.wait_for_port(port_pattern, time.monotonic() + START_LIMIT_S, answers(server.directory))
    except BaseException:
        server.stop()
        raise
    return server


def environment() -> dict[str, str]:
    """What local servers get of our environment."""
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}


def _stop(directory: tempfile.TemporaryDirectory[str], watchdog: subprocess.Popen[bytes]) -> None:
    try:
        let_go(watchdog)
    finally:
        directory.cleanup()


def let_go(watchdog: subprocess.Popen[bytes], *, kill: bool = True) -> None:
    """Tell a watchdog that nobody needs any more what it watches, and wait until it has ended.

    Args:
        watchdog: Its process.
        kill: End it when it takes too long; else it goes on by itself, as with a large folder.
    """
    assert watchdog.stdin is not None
    with suppress(OSError):  # it has ended already
        watchdog.stdin.write(b".")
        watchdog.stdin.flush()
    with suppress(OSError):
        watchdog.stdin.close()
    try:
        watchdog.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        if kill:
            watchdog.kill()
            watchdog.wait()
