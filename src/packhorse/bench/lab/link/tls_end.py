"""The server's end of a TLS connection, in memory: the handshake travels over the link like any other bytes."""

from __future__ import annotations

import contextlib
import ssl
from typing import cast

from packhorse.units import KIB

#: Plaintext taken out at once. OpenSSL hands over one record (16 KiB) per call.
_READ_BYTES = 256 * KIB


class TlsEnd:
    """Decrypts what the client sent, encrypts what the server answers.

    Attributes:
        ready: The handshake is done.
        closed: The client has said that it sends no more.
    """

    _buffer = memoryview(bytearray(_READ_BYTES))  # all connections live on one thread

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.ready = self.closed = False

    def open(self, data: bytes) -> list[bytes]:
        """Take bytes from the client; return the plaintext in them, nothing during the handshake.

        Raises:
            ssl.SSLError: The handshake failed, or these bytes are not TLS. :meth:`pending` then tells the client.
        """
        self._incoming.write(data)
        if not self.ready:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                return []
            self.ready = True
        plain: list[bytes] = []
        buffer, filled = self._buffer, 0
        while self._incoming.pending or self._tls.pending():
            try:
                count = cast("int", self._tls.read(_READ_BYTES - filled, buffer[filled:]))
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                count = 0
            if not count:
                self.closed = True
                break
            filled += count
            if filled == _READ_BYTES:
                plain.append(bytes(buffer))
                filled = 0
        if filled:
            plain.append(bytes(buffer[:filled]))
        return plain

    def seal(self, plain: bytes) -> bytes:
        """Encrypt bytes of the server."""
        self._tls.write(plain)
        return self._outgoing.read()

    def pending(self) -> bytes:
        """What TLS itself has to say to the client: handshakes, tickets, alerts."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def farewell(self) -> bytes:
        """The server sends no more: the alert that says so."""
        with contextlib.suppress(ssl.SSLError):  # the client has not answered yet, which nobody waits for
            self._tls.unwrap()
        return self.pending()
