"""A small S3 on loopback that takes its time, and remembers what it was given."""

from __future__ import annotations

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

#: Beginnings of the headers that are kept with an object.
KEPT = ("x-amz-meta-", "content-type", "content-encoding")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        s3 = self.server.s3
        if s3.put_s is None:
            s3.ended.wait()
            return
        time.sleep(s3.put_s)
        query = parse_qs(urlsplit(self.path).query)
        if "uploadId" in query:
            s3.parts[query["uploadId"][0]][int(query["partNumber"][0])] = body
        else:
            s3.headers[self._key()] = self._kept()
            s3.stored[self._key()] = body
        self._answer(200, b"", hashlib.md5(body).hexdigest(), {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        s3, key = self.server.s3, self._key()
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if s3.put_s is None:
            s3.ended.wait()
        elif "uploads" in query:
            s3.headers[key], s3.parts[key] = self._kept(), {}
            where = f"<Bucket>b</Bucket><Key>{key}</Key><UploadId>{key}</UploadId>"
            self._answer(
                200, f"<InitiateMultipartUploadResult>{where}</InitiateMultipartUploadResult>".encode(), "", {}
            )
        else:
            parts = s3.parts.pop(query["uploadId"][0])
            s3.stored[key] = b"".join(parts[number] for number in sorted(parts))
            where = f'<Bucket>b</Bucket><Key>{key}</Key><ETag>"0-{len(parts)}"</ETag>'
            result = f"<CompleteMultipartUploadResult>{where}</CompleteMultipartUploadResult>"
            self._answer(200, result.encode(), "", {})

    def do_DELETE(self) -> None:
        self.server.s3.parts.pop(parse_qs(urlsplit(self.path).query)["uploadId"][0], None)
        self._answer(204, b"", "", {})

    def _kept(self) -> dict[str, str]:
        kept = {name: text for name, text in self.headers.items() if name.lower().startswith(KEPT)}
        return kept | {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}

    def do_GET(self) -> None:
        body = self.server.s3.stored.get(self._key())
        if body is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>", "", {})
        else:
            self._answer(200, body, hashlib.md5(body).hexdigest(), self.server.s3.headers[self._key()])

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]

    def _answer(self, status: int, body: bytes, etag: str, more: dict[str, str]) -> None:
        self.send_response(status)
        headers = {"ETag": f'"{etag}"', "Content-Length": str(len(body)), "x-amz-request-id": "0123456789ABCDEF"} | more
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's name for it
        """Nothing: the ledger is what counts."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    s3: SlowS3

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A host that ended in the midst of a request is what is looked at here."""


class SlowS3:
    """The server.

    Attributes:
        put_s: Seconds that a PUT takes; None: it is never answered.
        stored: The ledger: body by key.
        parts: Parts of multipart uploads that have not been finished, by upload and number.
    """

    def __init__(self, put_s: float | None) -> None:
        self.put_s = put_s
        self.stored: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.ended = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.s3 = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
