"""Starting a link in front of a server.

with start_link(parse_link("same-region"), "http://127.0.0.1:9000") as link:
    ...  # clients use link.url
    link.counts().thrown_away
    link.achieved().errors
"""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from packhorse.bench.lab.link.model import Link
from packhorse.bench.lab.link.probe import Achieved, probe
from packhorse.bench.lab.link.wire import WireCounts
from packhorse.bench.lab.server import Server, environment, start
from packhorse.bench.lab.tls import LocalCA, make_ca
from packhorse.errors import InputError, UnavailableError

_PORTS = re.compile(r"^port (\d+) probe (\d+)$", re.MULTILINE)
_CONTROL_TIMEOUT_S = 10.0


class RunningLink:
    """A link that carries connections until it is stopped: by :meth:`stop`, with this object, and with this process.

    Attributes:
        link: What was asked for.
        url: Where clients connect to, in place of the server.
        ca_file: PEM file that clients verify against, or None without TLS.
        control: The socket for :func:`ask`, from this process or another.
    """

    def __init__(self, link: Link, server: Server, *, tls: bool) -> None:
        self.link = link
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}"
        self.ca_file = str(LocalCA.found_in(server.directory).ca_file) if tls else None
        self.server = server
        self.control = server.directory / "control"
        found = _PORTS.search(server.output)
        assert found is not None, "the server's port came from this line"
        self._probe_port = int(found[2])

    def counts(self) -> WireCounts:
        """What was seen on the wire since the start. Subtract two of them.

        Raises:
            OSError: The link has been stopped.
        """
        return WireCounts(**self._ask("counts"))

    def cpu_s(self) -> float:
        """CPU seconds of the link's process so far.

        Raises:
            OSError: The link has been stopped.
        """
        return float(self._ask("cpu")["cpu_s"])

    def achieved(self) -> Achieved:
        """Measure the link now, in about a second more than its delays: see :mod:`packhorse.bench.lab.link.probe`.

        The lateness is that of the traffic before the probe.

        Raises:
            OSError: The link has been stopped.
        """
        return probe(self.link, self._probe_port, self._ask("lateness"))

    def _ask(self, question: str) -> dict[str, Any]:
        return ask(self.control, question)

    def stop(self) -> None:
        """End the link's process; open connections are cut. Idempotent."""
        self.server.stop()

    def __enter__(self) -> RunningLink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def start_link(link: Link, upstream_url: str, *, tls: bool = False) -> RunningLink:
    """Start a link in a process of its own.

    Args:
        link: See :func:`packhorse.bench.lab.link.model.parse_link`.
        upstream_url: The server, ``http://host:port``; plain, as TLS ends at the link.
        tls: Clients speak TLS, verified with ``ca_file``.

    Raises:
        InputError: The URL is not a plain HTTP one with a port.
        UnavailableError: uvloop, httptools or trustme is not installed; the message names the extra.
        ServerError: The process did not start; the message shows what it said.
    """
    parts = urlsplit(upstream_url)
    if parts.scheme != "http" or not parts.hostname or not parts.port:
        raise InputError(f"a link leads to a plain server on this network, http://host:port, not to {upstream_url}")
    for library in ("httptools", "uvloop"):
        if not _installed(library):
            raise UnavailableError(f"the link simulator needs {library}: pip install 'packhorse[race]'")
    settings = {"link": link.to_record(), "host": parts.hostname, "port": parts.port, "tls": tls}

    def prepare(directory: Path) -> None:
        (directory / "link.json").write_text(json.dumps(settings), encoding="utf-8")
        if tls:
            make_ca(directory)

    command = [sys.executable, "-m", "packhorse.bench.lab.link.process", "{dir}"]
    server = start(
        command, env=environment(), port_pattern=_PORTS, prepare=prepare, answers=lambda _: lambda _port: True
    )
    return RunningLink(link, server, tls=tls)


def ask(control: Path, question: str) -> dict[str, Any]:
    """What the link on this control socket answers to ``counts``, ``lateness`` or ``cpu``.

    Raises:
        OSError: The link has been stopped.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_CONTROL_TIMEOUT_S)
        connection.connect(str(control))
        connection.sendall(question.encode() + b"\n")
        with connection.makefile("rb") as answers:
            answer: dict[str, Any] = json.loads(answers.readline())
    return answer


def _installed(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None
