"""The fault server's process: ``python -m benches.studies.fault_server.process DIRECTORY [tls]``.

Two ports on 127.0.0.1: one where S3 is, faults and all, and one for control, which no fault touches:

    GET  /        {"port": 40001}
    POST /play    begin a script (JSON) with an empty store
    GET  /report  what was injected, what arrived, and the ledger
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from benches.studies.fault_server.act import ConnectionGone, Play, reset_transport
from benches.studies.fault_server.director import Director
from benches.studies.fault_server.script import FaultScript
from benches.studies.fault_server.start import CA_BUNDLE
from packhorse.bench.lab.tls import LocalCA, make_ca
from packhorse.errors import InputError

HOST = "127.0.0.1"
#: Seconds between looks whether the listener is to be closed or opened.
LOOK_S = 0.01
BACKLOG = 512


class _Front(web.Server):
    """aiohttp's low-level server; counts connections."""

    opened = 0

    def __call__(self) -> Any:
        self.opened += 1
        return super().__call__()


class FaultServer:
    """Both ports, and the script that is being played."""

    def __init__(self, contexts: dict[str, ssl.SSLContext]) -> None:
        self.play = Play(Director(FaultScript(), time.monotonic()))
        self._contexts = contexts
        self._front = self._new_front()
        self._listener: asyncio.Server | None = None
        self._opening = asyncio.Lock()
        # Bound and never listening: the port stays ours while the listener is closed, and connecting to it is refused.
        self._holder = _bound(0)
        self.port: int = self._holder.getsockname()[1]

    async def run(self) -> None:
        """Serve until cancelled; writes one line with the control port first."""
        await self._open()
        control = web.Server(self._control, access_log=None)
        server = await asyncio.get_running_loop().create_server(control, HOST, 0)
        sys.stdout.write(f"port {server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            await asyncio.sleep(LOOK_S)
            await self._watch_listener()

    async def _watch_listener(self) -> None:
        async with self._opening:
            now_s = time.monotonic()
            fault = self.play.director.listener(now_s)
            if fault is None and self._listener is None:
                await self._open()
            elif fault is not None and (self._listener is not None or not self.play.director.counts[fault.kind]):
                self.play.director.hit(fault, "", "", 1, now_s)
                self._close()

    async def _open(self) -> None:
        context = self._contexts.get("good")
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._front, sock=_bound(self.port), ssl=context, backlog=BACKLOG)

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in list(self._front.connections):
            if connection.transport is not None:
                reset_transport(connection.transport)

    def _new_front(self) -> _Front:
        if "good" in self._contexts:
            self._contexts["good"].sni_callback = self._choose
        return _Front(
            self._s3,
            access_log=None,
            auto_decompress=False,  # bodies are stored as they came
            handler_cancellation=True,
            keepalive_timeout=3600,
        )

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Give one handshake the certificate that the script wants."""
        fault = self.play.director.handshake(time.monotonic())
        if fault is not None:
            connection.context = self._contexts[fault.kind]

    async def _s3(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self.play.handle(request)
        except ConnectionGone:
            raise asyncio.CancelledError from None  # the only way to end a handler of aiohttp without an answer

    async def _control(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/play":
            text = b"".join([part async for part in request.content.iter_any()])
            try:
                script = FaultScript.from_json(text)
            except InputError as error:
                return web.Response(status=400, text=str(error))
            self._front.opened = 0
            self.play = Play(Director(script, time.monotonic()))
            await self._watch_listener()
            return web.Response(text="{}")
        if request.path == "/report":
            document = {**self.play.director.report(), "connections": self._front.opened}
            document["ledger"] = self.play.objects.ledger().to_dict()
            return web.Response(text=json.dumps(document))
        return web.Response(text=json.dumps({"port": self.port}))


def _bound(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((HOST, port))
    return listener


def _contexts(directory: Path) -> dict[str, ssl.SSLContext]:
    """A server context for each certificate; writes what clients are to trust to :data:`CA_BUNDLE`."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    made: dict[str, LocalCA] = {
        "good": make_ca(directory),
        "tls-untrusted": make_ca(directory, prefix="other-"),
        "tls-expired": make_ca(directory, prefix="expired-", not_after=yesterday),
    }
    trusted = (made["good"].ca_file, made["tls-expired"].ca_file)
    (directory / CA_BUNDLE).write_bytes(b"".join(path.read_bytes() for path in trusted))
    return {name: ca.server_context() for name, ca in made.items()}


def main(arguments: list[str]) -> int:
    """Serve until the process is ended."""
    contexts = _contexts(Path(arguments[0])) if arguments[1:] == ["tls"] else {}

    async def serve() -> None:
        await FaultServer(contexts).run()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
