"""A store in this process that shows what was on the wire, refuses what a test wants, and can cut its answers."""

from __future__ import annotations

import threading
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
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.refuse: Refusing = lambda _: None
        self.raw: bytes | None = None
        self.objects = Objects()
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60  # the connection of a client that went away

            def answer(self) -> None:
                headers = {name.lower(): text for name, text in self.headers.items()}
                request = Request(self.command, self.path, headers)
                body = self.rfile.read(int(headers.get("content-length", 0)))
                said = server.said(request, body)
                if server.raw is not None and request.operation not in {"get", "abort", "list"}:
                    self.wfile.write(server.raw)
                    self.close_connection = True
                    return
                self.send_response(said.status)
                for name, value in {**said.headers, "Content-Length": str(len(said.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(said.body)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the names http.server looks for

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

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
