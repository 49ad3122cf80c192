"""botocore's HTTP layer with two bounds that it lacks: on how long an answer may take, and on how much of it is read.

botocore bounds each silence, so that an answer of one byte a second never ends, and it reads whatever comes in place
of an answer whole into memory. Here an answer has ``read_timeout_s`` in all, unless it is an object, of which only the
head has; and at most :data:`packhorse.stores.answers.MAX_ANSWER_BYTES` of its body are read.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSResponse,
)
from botocore.httpsession import URLLib3Session

from packhorse.stores.answers import MAX_ANSWER_BYTES
from packhorse.units import KIB

_STEP_BYTES = 16 * KIB
_OPTIONS = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]


class _Clocked(io.RawIOBase):
    """A socket's reading side that is given so much time in all, until :meth:`lift`."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._silence_s: float | None = sock.gettimeout()
        self._end_s = time.monotonic() + self._silence_s if self._silence_s else None

    def lift(self) -> None:
        """From now on only silences count."""
        self._end_s = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        if self._end_s is None:
            return self._raw.readinto(buffer)
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer takes longer than it may")
        self._sock.settimeout(left_s)
        try:
            return self._raw.readinto(buffer)
        finally:
            self._sock.settimeout(self._silence_s)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Source:
    """What ``HTTPResponse`` takes for a socket."""

    def __init__(self, raw: _Clocked) -> None:
        self._raw = raw

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(self._raw)


class _Response(HTTPResponse):
    """A response that is read against the clock; a successful GET's body is not."""

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        self._clocked = _Clocked(sock)
        self._is_get = options.get("method") == "GET"
        super().__init__(_Source(self._clocked), *args, **options)  # type: ignore[arg-type]

    def begin(self) -> None:
        super().begin()
        if self._is_get and self.status < 300:
            self._clocked.lift()


class _Connection(AWSHTTPConnection):  # type: ignore[misc]  # botocore has no types
    response_class = _Response


class _SecureConnection(AWSHTTPSConnection):  # type: ignore[misc]
    response_class = _Response


class _Pool(AWSHTTPConnectionPool):  # type: ignore[misc]
    ConnectionCls = _Connection


class _SecurePool(AWSHTTPSConnectionPool):  # type: ignore[misc]
    ConnectionCls = _SecureConnection


class Bytes:
    """An answer's body that has been read, in the form in which botocore takes one."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        """All of it."""
        yield self._data


class BoundedSession(URLLib3Session):  # type: ignore[misc]
    """Sends one client's requests. Hooked in as a handler of ``before-send``, botocore's public way to send oneself."""

    def __init__(self, verify: Any, proxies: dict[str, str], timeouts_s: tuple[float, float], pool: int) -> None:
        super().__init__(
            verify=verify, proxies=proxies, timeout=timeouts_s, max_pool_connections=pool, socket_options=_OPTIONS
        )
        # The dictionary is shared with the managers of proxies, which are made later.
        self._pool_classes_by_scheme.update(http=_Pool, https=_SecurePool)

    def handle(self, request: Any, **_: Any) -> AWSResponse:
        """Send a request, and read what is no object."""
        streamed, request.stream_output = request.stream_output, True
        answer = self.send(request)
        if streamed and answer.status_code < 300:
            return answer
        data = b""
        for piece in answer.raw.stream(_STEP_BYTES, decode_content=False):
            data += piece
            if len(data) > MAX_ANSWER_BYTES:
                answer.raw.close()  # the rest is not wanted, nor is a connection on which it would come
                break
        return AWSResponse(answer.url, answer.status_code, answer.headers, Bytes(data[:MAX_ANSWER_BYTES]))
