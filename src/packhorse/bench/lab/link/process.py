"""The link's own process: ``python -m packhorse.bench.lab.link.process DIR``. DIR holds ``link.json`` and certificates.

It prints one line, ``port N probe M``: where clients connect to, and where :mod:`packhorse.bench.lab.link.probe`
does. The probe's port leads over the same lanes to a sink in this process. Questions are asked on the socket
``DIR/control``, a line each, and answered by a line of JSON: ``counts``, ``lateness``, ``cpu``.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import statistics
import sys
from array import array
from pathlib import Path
from typing import Any

import uvloop

from packhorse.bench.lab.link import sink
from packhorse.bench.lab.link.alarm import Alarm
from packhorse.bench.lab.link.lane import Clockwork, Lane
from packhorse.bench.lab.link.model import Link
from packhorse.bench.lab.link.session import Session, Way
from packhorse.bench.lab.tls import LocalCA

#: Connections that may wait to be accepted: more than any client opens at once.
_BACKLOG = 1024


def lanes(link: Link, loop: asyncio.AbstractEventLoop) -> tuple[Lane, Lane]:
    """The two directions of ``link``."""
    clockwork = Clockwork(lambda ring: Alarm(loop, ring).set)
    delay_s = (link.delay_ms / 1e3, link.jitter_ms / 1e3)
    up = Lane(clockwork, delay_s, link.up_mbit, link.up_mbit_per_connection)
    return up, Lane(clockwork, delay_s, link.down_mbit, link.down_mbit_per_connection)


def lateness(lane: Lane) -> dict[str, float] | None:
    """How late the latest chunks left: what was asked and how much later it was, in ms; None before there were any."""
    if not lane.late_s:
        return None
    asked_ms, late_ms = _ms(lane.asked_s), _ms(lane.late_s)
    return {
        "chunks": len(late_ms),
        "asked_ms": statistics.median(asked_ms),
        "late_ms": statistics.median(late_ms),
        "late_p99_ms": sorted(late_ms)[int(0.99 * (len(late_ms) - 1))],
    }


def _ms(seconds: array[float]) -> list[float]:
    return [1e3 * value for value in seconds]


async def listen(way: Way, upstream: tuple[str, int]) -> asyncio.Server:
    """Listen on 127.0.0.1 and carry each connection to ``upstream``."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    # Else the kernel takes up to 32 MiB per connection as delivered, long before the link has carried them.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, way.up.pipe_bytes())
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Session(way, upstream).client, sock=listener, backlog=_BACKLOG)


def _answer(question: str, way: Way) -> dict[str, Any]:
    if question == "counts":
        return way.counts.to_record()
    if question == "lateness":
        return {"up": lateness(way.up), "down": lateness(way.down)}
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu_s": used.ru_utime + used.ru_stime}


async def _control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
    while line := await reader.readline():
        writer.write(json.dumps(_answer(line.decode().strip(), way)).encode() + b"\n")
        await writer.drain()
    writer.close()


async def main(directory: Path) -> None:
    """Carry connections until the process is ended."""
    settings = json.loads((directory / "link.json").read_text(encoding="utf-8"))
    link = Link.from_record(settings["link"])
    up, down = lanes(link, asyncio.get_running_loop())
    service_s = link.service_ms / 1e3
    context = LocalCA.found_in(directory).server_context() if settings["tls"] else None
    way = Way(up, down, service_s, context)
    probe_sink = await sink.serve()
    probe = await listen(Way(up, down, service_s, None), probe_sink.sockets[0].getsockname()[:2])
    server = await listen(way, (settings["host"], settings["port"]))
    control = await asyncio.start_unix_server(lambda r, w: _control(r, w, way), directory / "control")
    ports = [server.sockets[0].getsockname()[1], probe.sockets[0].getsockname()[1]]
    sys.stdout.write(f"port {ports[0]} probe {ports[1]}\n")
    sys.stdout.flush()
    async with control, probe, probe_sink, server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
