"""The cheapest HTTP server there can be: takes every body, stores nothing. ``python -m packhorse.bench.lab.link.sink``.

It answers ``PUT`` with 200 once the body is complete, and ``GET /N`` with N bytes. It is the far end of a link's probe
and of proofs of what a link carries: no S3 server is that light.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import httptools
import uvloop

from packhorse.units import KIB, MIB

# The version is S3's own header: without one, clients would look whether the object is there, which it is not.
_OK = b'HTTP/1.1 200 OK\r\nETag: "0"\r\nx-amz-version-id: null\r\nContent-Length: '
_BUFFER = memoryview(bytearray(256 * KIB))
#: The largest body that a GET may ask for.
MAX_GET_BYTES = 64 * MIB
_ZEROS = memoryview(bytes(MAX_GET_BYTES))


class Sink(asyncio.BufferedProtocol):
    """One connection to the sink."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As :class:`asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def get_buffer(self, sizehint: int) -> memoryview:
        """As :class:`asyncio.BufferedProtocol`."""
        del sizehint
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """As :class:`asyncio.BufferedProtocol`."""
        self._parser.feed_data(_BUFFER[:nbytes])

    def on_url(self, url: bytes) -> None:
        """Called by the parser."""
        self._path = url

    def on_message_complete(self) -> None:
        """Called by the parser: answer."""
        wanted = self._path.removeprefix(b"/")
        count = min(int(wanted), MAX_GET_BYTES) if self._parser.get_method() == b"GET" and wanted.isdigit() else 0
        assert self._transport is not None
        self._transport.write(_OK + str(count).encode() + b"\r\n\r\n")
        if count:
            self._transport.write(_ZEROS[:count])


async def serve() -> asyncio.Server:
    """Listen on 127.0.0.1, on a port that the system picks."""
    return await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, backlog=1024)


async def _main() -> None:
    server = await serve()
    sys.stdout.write(f"port {server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main())
