"""What a link carries on this machine, as a line of JSON.

``python -m packhorse.bench.lab.link.capacity --link delay_ms=30``

The load comes from as light a client as there can be (prepared bytes, raw protocols) and ends in the sink, so that of
the three processes the link's is the busiest. No S3 client or server is in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import ssl
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, cast

import uvloop

from packhorse.bench.lab.link.model import Link, parse_link
from packhorse.bench.lab.link.start import RunningLink, start_link
from packhorse.bench.lab.server import environment, start

#: Seconds of load before the clock starts: connections open, and the first bodies arrive all at once.
WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """A closed loop of PUTs.

    Attributes:
        connections: Each sends its next PUT when the last one was answered.
        body_bytes: Of a PUT.
        seconds: How long it is measured.
        tls: The clients speak TLS.
    """

    connections: int = 150
    body_bytes: int = 100_000
    seconds: float = 3.0
    tls: bool = False


class _Client(asyncio.Protocol):
    """One connection. Answers of the sink to a PUT have no body and come in one piece."""

    def __init__(self, request: bytes, took_s: list[tuple[float, float]]) -> None:
        self._request = request
        self._took_s = took_s
        self._start_s = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._send(self._transport)

    def _send(self, transport: asyncio.Transport) -> None:
        self._start_s = time.monotonic()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\r\n\r\n") and self._transport is not None:
            self._took_s.append((self._start_s, time.monotonic() - self._start_s))
            self._send(self._transport)


async def _drive(port: int, load: Load, ca_file: str | None) -> tuple[list[float], float]:
    """Latencies of the PUTs that began after the warm-up, and the CPU seconds of this process per second."""
    request = f"PUT /x HTTP/1.1\r\nHost: sink\r\nContent-Length: {load.body_bytes}\r\n\r\n".encode() + bytes(
        load.body_bytes
    )
    took_s: list[tuple[float, float]] = []
    context = ssl.create_default_context(cafile=ca_file) if ca_file is not None else None
    loop = asyncio.get_running_loop()
    dials = (
        loop.create_connection(lambda: _Client(request, took_s), "127.0.0.1", port, ssl=context)
        for _ in range(load.connections)
    )
    transports = [transport for transport, _ in await asyncio.gather(*dials)]
    await asyncio.sleep(WARM_UP_S)
    took_s.clear()
    begin_s, cpu_s = time.monotonic(), time.process_time()
    await asyncio.sleep(load.seconds)
    used = (time.process_time() - cpu_s) / load.seconds
    measured = [took for start_s, took in took_s if start_s + took <= begin_s + load.seconds]
    for transport in transports:
        transport.abort()
    return measured, used


def prove(link: Link, load: Load) -> dict[str, Any]:
    """Start sink and link, load them, and say what came through."""
    command = [sys.executable, "-m", "packhorse.bench.lab.link.sink"]
    sink = start(command, env=environment(), port_pattern=re.compile(r"^port (\d+)$", re.MULTILINE))
    try:
        with start_link(link, f"http://127.0.0.1:{sink.port}", tls=load.tls) as running:
            return _measure(running, load)
    finally:
        sink.stop()


def _measure(running: RunningLink, load: Load) -> dict[str, Any]:
    unloaded = running.achieved()
    start_s, cpu_s = time.monotonic(), running.cpu_s()
    took_s, client_cpu = uvloop.run(_drive(running.server.port, load, running.ca_file))
    link_cpu = (running.cpu_s() - cpu_s) / (time.monotonic() - start_s)
    loaded = running.achieved()
    return {
        "link": running.link.to_record(),
        "load": asdict(load),
        "puts_per_s": len(took_s) / load.seconds,
        "latency_median_ms": 1e3 * statistics.median(took_s),
        "latency_p99_ms": 1e3 * sorted(took_s)[int(0.99 * (len(took_s) - 1))],
        "asked_answer_ms": running.link.answer_ms,
        "late_up_ms": loaded.late_up_ms,
        "late_down_ms": loaded.late_down_ms,
        "link_cores": link_cpu,
        "client_cores": client_cpu,
        "counts": running.counts().to_record(),
        "achieved_unloaded": unloaded.to_record(),
    }


def main(arguments: list[str]) -> None:
    """Read the options, prove, print."""
    parser = argparse.ArgumentParser(prog="python -m packhorse.bench.lab.link.capacity")
    parser.add_argument("--link", type=parse_link, default=parse_link("delay_ms=30"))
    parser.add_argument("--connections", type=int, default=Load().connections)
    parser.add_argument("--body-bytes", type=int, default=Load().body_bytes)
    parser.add_argument("--seconds", type=float, default=Load().seconds)
    parser.add_argument("--tls", action="store_true")
    given = vars(parser.parse_args(arguments))
    print(json.dumps(prove(given.pop("link"), Load(**given)), indent=1))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
