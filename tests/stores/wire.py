"""A store in this process that shows what was on the wire, refuses what a test wants, and can cut its answers."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benches.studies.fault_server.answers import Answer
from benches.studies.fault_server.objects import Objects, Request
from packhorse.stores.base import Endpoint

Refusing = Callable[[Request], Answer | None]


class Wire(ThreadingHTTPServer):
    """The lab's store behind the standard library's server.

    Attributes:
        requests: Heads of all requests, in order.
        refuse: Asked before the store; an answer of its own is sent in place of the store's.
        raw: Sent in place of any answer to a write, and the connection closed, after the store has done its work.
        objects: The store.
        trickle_s: Seconds between endless lines of an answer's head.
        pause_in_body_s: Seconds between the pieces of an object.
        reset_after_s: Seconds after an answer until its connection is reset.
        sent_bytes: Of answers' bodies.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.refuse: Refusing = lambda _: None
        self.raw: bytes | None = None
        self.trickle_s = self.pause_in_body_s = self.reset_after_s = 0.0
        self.sent_bytes = 0
        self.objects = Objects()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are part of the tests."""

    def said(self, request: Request, body: bytes) -> Answer:
        """Note a request, and answer it."""
        with self._lock:
            self.requests.append(request)
            return self.refuse(request) or self.objects.answer(request, body)

    def endpoint(self, **settings: Any) -> Endpoint:
        """For any store; with credentials unless ``settings`` has some."""
        if "credentials" not in settings:
            settings |= {"access_key": "wire", "secret_key": "wire-secret"}
        url = f"http://127.0.0.1:{self.server_port}"
        return Endpoint("bucket", url, "us-east-1", read_timeout_s=30, **settings)


class _Handler(BaseHTTPRequestHandler):
    """Answers as the server is told to."""

    server: Wire
    protocol_version = "HTTP/1.1"
    timeout = 60  # the connection of a client that went away

    def answer(self) -> None:
        headers = {name.lower(): text for name, text in self.headers.items()}
        request = Request(self.command, self.path, headers)
        body = self.rfile.read(int(headers.get("content-length", 0)))
        said = self.server.said(request, body)
        if self.server.raw is not None and request.operation not in {"get", "abort", "list"}:
            self.wfile.write(self.server.raw)
            self.close_connection = True
            return
        if self.server.trickle_s:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while True:  # until the client hangs up
                self.wfile.write(b"X-More: to come\r\n")
                time.sleep(self.server.trickle_s)
        self.send_response(said.status)
        for name, value in {**said.headers, "Content-Length": str(len(said.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(said.body)
        if self.server.reset_after_s:
            time.sleep(self.server.reset_after_s)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

    def send_body(self, body: bytes) -> None:
        step = len(body) // 4 + 1 if self.server.pause_in_body_s else 64 * 1024
        for start in range(0, len(body), step):
            time.sleep(self.server.pause_in_body_s)
            self.wfile.write(body[start : start + step])
            self.server.sent_bytes += step

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the names http.server looks for

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def started() -> Iterator[Wire]:
    """A running one; ends with the context."""
    server = Wire()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
