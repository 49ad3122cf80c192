"""Hosts that freeze or kill the process as soon as they have what they wanted: Lambda and Jupyter; and pytest."""

from __future__ import annotations

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.hosts.host import Host, blocks, check, requires

pytestmark = pytest.mark.hosts
INVOCATIONS = 3
EACH = 20
#: Milliseconds that an invocation may take.
PATIENCE_MS = 4000


class Runtime(ThreadingHTTPServer):
    """Lambda's runtime API, as far as one function needs it: it freezes the sandbox between invocations."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Invocations)
        self.given = 0
        self.answered = threading.Semaphore(0)
        self.errors: list[str] = []


class Invocations(BaseHTTPRequestHandler):
    server: Runtime
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.server.given == INVOCATIONS:
            threading.Event().wait(60)
        self.server.given += 1
        import time

        headers = {
            "Lambda-Runtime-Aws-Request-Id": str(self.server.given),
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + PATIENCE_MS),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:1:function:f",
            "Lambda-Runtime-Trace-Id": "Root=1-0-0",
            "Lambda-Runtime-Client-Context": "{}",
            "Lambda-Runtime-Cognito-Identity": "{}",
            "Content-Type": "application/json",
        }
        self._answer(200, headers, b"{}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/response"):
            self.server.errors.append(body.decode())
        self._answer(202, {}, b"{}")
        self.server.answered.release()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, text in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's name for it
        """Nothing."""


@requires(".awslambdaric")
def test_lambda(host: Host) -> None:
    host.instead = {}
    spool = ', spool_dir="spool"' if host.spool else ""
    (command,) = host.prepare("Lambda", **{', spool_dir="/tmp/spool"': spool})
    runtime = Runtime()
    threading.Thread(target=runtime.serve_forever, args=(0.05,), daemon=True).start()
    host.environment |= {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.server_port}",
        "LAMBDA_TASK_ROOT": str(host.folder),
    }
    with host.running(command, end=signal.SIGKILL):
        for number in range(1, INVOCATIONS + 1):
            assert runtime.answered.acquire(timeout=30), f"no answer: {host.said()}"
            fates = host.fates(number * EACH)  # what is not safe by now may never be
            if host.spool:
                assert fates.lost == 0, f"{fates} {host.said()}"
    runtime.shutdown()
    assert runtime.errors == []


@requires(".nbclient", ".ipykernel")
def test_jupyter(host: Host) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")

    host.prepare("Jupyter")
    (code,) = (text for language, text in blocks("Jupyter") if language == "python")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(host.here(code))])
    outside = os.environ.copy()
    os.environ.clear()
    os.environ.update(host.environment)
    try:
        nbclient.NotebookClient(book, timeout=60, resources={"metadata": {"path": str(host.folder)}}).execute()
    finally:
        os.environ.clear()
        os.environ.update(outside)
    (shown,) = (cell for cell in book.cells[0].outputs if cell.output_type == "execute_result")
    counts = json.dumps(shown["data"])
    assert "uploaded=" in counts
    if host.spool:
        check(host.fates(60), spool=True, said=counts)


def test_pytest(host: Host) -> None:
    if host.s3.put_s is None:
        pytest.skip("the test in it would fail, and rightly so")
    (command,) = host.prepare("pytest")
    assert host.run(f"python -m {command} -p no:cacheprovider") == 0, host.said()
    check(host.fates(1), spool=host.spool, said=host.said())
