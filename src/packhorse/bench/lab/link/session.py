"""One client's connection over the link: raw protocols on both sides, a pipe each way, TLS and requests at the far end.

    client <-> [ up pipe, down pipe ] <-> TLS end <-> request counter <-> server

TLS ends here and not at the server, so that requests can be counted and the service time be added where a server would
add it: between the last byte of a request and the first of its answer. The handshake still crosses the link.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import Any, cast

import httptools

from packhorse.bench.lab.link.lane import LARGEST_CHUNK_BYTES, Item, Lane, Pipe
from packhorse.bench.lab.link.tls_end import TlsEnd
from packhorse.bench.lab.link.wire import WireCounts

#: All connections read into one buffer, as they live on one thread.
_BUFFER = memoryview(bytearray(LARGEST_CHUNK_BYTES))
_SERVED = frozenset({b"PUT", b"POST"})


class Way:
    """What all sessions of a link share."""

    def __init__(self, up: Lane, down: Lane, service_s: float, context: ssl.SSLContext | None) -> None:
        """``service_s``: of a PUT or POST; ``context``: speak TLS to clients."""
        self.up, self.down = up, down
        self.service_s = service_s
        self.context = context
        self.counts = WireCounts()


class Session:
    """See the module. ``client`` and ``server`` are the protocols of the two sockets."""

    def __init__(self, way: Way, upstream: tuple[str, int]) -> None:
        self._way = way
        self._upstream = upstream
        self.up, self.down = Pipe(way.up, self._at_server), Pipe(way.down, self._at_client)
        self.client, self.server = _Side(self, self.up, self.down), _Side(self, self.down, self.up)
        self._tls = TlsEnd(way.context) if way.context is not None else None
        self._parser = httptools.HttpRequestParser(self)
        self._requests = 0
        self._ready_s = self._gate_s = 0.0
        self._ended = 0
        self._closed = False
        self._dialling: asyncio.Task[Any] | None = None

    def begin(self) -> None:
        """The client's socket is open. The kernel opened it at once: TCP's own round trip is added here."""
        self._way.counts.opened()
        self._ready_s = time.monotonic() + 2 * self._way.up.delay_s
        self.up.block()
        self._dialling = asyncio.ensure_future(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.server, *self._upstream)
        except OSError:
            self.close()
            return
        self.up.unblock()

    def arrived(self, side: _Side, item: Item) -> None:
        """Bytes, or their end, came from one of the sockets."""
        if self._closed:
            return
        if side is self.client:
            if not isinstance(item, str):
                self._way.counts.bytes_up += len(item)
            self.up.push(item, self._ready_s)
            return
        if isinstance(item, str):
            if item == "eof" and self._tls is not None:
                self._to_client(self._tls.farewell())
            self.down.push(item, self._gate_s)
        else:
            self._to_client(item if self._tls is None else self._tls.seal(item))

    def _to_client(self, data: bytes) -> None:
        if data:
            self.down.push(data, self._gate_s)

    def _at_server(self, item: Item) -> None:
        if isinstance(item, str):
            self._end(item, self.server)
            return
        if self._tls is None:
            self._serve(item)
            return
        try:
            plain = self._open(self._tls, item)
        except ssl.SSLError:
            self._way.counts.failed_handshakes += not self._tls.ready
            self._to_client(self._tls.pending())
            self.down.push("eof")
            return
        for data in plain:
            self._serve(data)
        if self._tls.closed:
            self._end("eof", self.server)

    def _open(self, tls: TlsEnd, data: bytes) -> list[bytes]:
        was_ready = tls.ready
        plain = tls.open(data)
        self._way.counts.handshakes += tls.ready and not was_ready
        self._to_client(tls.pending())
        return plain

    def _serve(self, data: bytes) -> None:
        with contextlib.suppress(httptools.HttpParserError):  # the server will say what is wrong with it
            self._parser.feed_data(data)
        transport = self.server.transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def on_message_complete(self) -> None:
        """Called by the parser: a request is complete."""
        self._requests += 1
        self._way.counts.requests += 1
        if self._way.service_s and self._parser.get_method() in _SERVED:
            self._gate_s = time.monotonic() + self._way.service_s

    def _at_client(self, item: Item) -> None:
        if isinstance(item, str):
            self._end(item, self.client)
            return
        self._way.counts.bytes_down += len(item)
        transport = self.client.transport
        if transport is not None and not transport.is_closing():
            transport.write(item)

    def _end(self, item: Item, side: _Side) -> None:
        """The end of one direction has travelled: close that half; after both, or an abort, everything."""
        if item == "abort":
            self.close(abort=True)
            return
        if side.ended:  # TLS has said so before TCP did
            return
        side.ended = True
        transport = side.transport
        if transport is not None and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()
        if self.client.ended and self.server.ended:
            self.close()

    def close(self, *, abort: bool = False) -> None:
        """End both sockets: after what is written, or at once. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self.up.close()
        self.down.close()
        if self._dialling is not None:
            self._dialling.cancel()
        for side in (self.client, self.server):
            if side.transport is not None and not side.transport.is_closing():
                if abort:
                    side.transport.abort()
                else:
                    side.transport.close()
        self._way.counts.closed(self._requests)


class _Side(asyncio.BufferedProtocol):
    """One socket of a session.

    Attributes:
        transport: The socket, once it is open.
        ended: The end of what goes out here has been written.
    """

    def __init__(self, session: Session, incoming: Pipe, outgoing: Pipe) -> None:
        """``incoming`` takes what is read here, ``outgoing`` holds what is to be written."""
        self._session = session
        self._incoming, self._outgoing = incoming, outgoing
        self._buffer = _BUFFER[: incoming.lane.chunk_bytes]
        self.transport: asyncio.Transport | None = None
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = self._incoming.source = cast("asyncio.Transport", transport)  # uvloop's is none by class
        if self is self._session.client:
            self._session.begin()

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._session.arrived(self, bytes(_BUFFER[:nbytes]))

    def eof_received(self) -> bool:
        self._session.arrived(self, "eof")
        return True  # what goes the other way is still on its way

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._session.arrived(self, "abort")

    def pause_writing(self) -> None:
        self._outgoing.block()

    def resume_writing(self) -> None:
        self._outgoing.unblock()
