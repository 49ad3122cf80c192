"""A worker process, and what its parent holds of it.

It is a fresh interpreter that imports the encoder and nothing else. That is what multiprocessing's ``spawn`` makes,
less the import of the application's main module, so the start-up and the memory found here are the least there can be.
A fork would be cheaper and is not safe beside threads. Each thread of the parent has a worker to itself, over a socket
pair: no queue, no dispatcher, no lock between two threads, so the hand-over measured is the cheapest, too.

    python -m benches.studies.processes.worker FD
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Literal

from benches.studies.processes.encoding import Encoding, Redaction, texts

#: How a capture is handed over: pickled, as one JSON text that is parsed again, or as the text that was submitted.
Transport = Literal["pickle", "orjson", "text"]
PICKLE_PROTOCOL = 5
#: Seconds for a worker to end by itself once its socket is closed.
_LEAVE_S = 5.0


class Worker:
    """One worker process. Belongs to one thread at a time. Ends with :meth:`close`, or when its parent dies.

    Raises (each method): EOFError or OSError when the worker is gone.
    """

    def __init__(self) -> None:
        self._link, theirs = Pipe()
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self._texts = texts()

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def ready(self) -> None:
        """Wait until it has imported what it needs."""
        self._ask("ready")

    def body(self, transport: Transport, redaction: Redaction, capture: Any) -> bytes:
        """The capture's body, made by the worker. What the worker meets is raised here as RuntimeError."""
        given = self._given(transport, capture)
        self._link.send(("encode", transport, redaction))
        self._link.send_bytes(given)
        error = self._link.recv()
        if error is not None:
            raise RuntimeError(f"the worker failed: {error}")
        return self._link.recv_bytes()

    def keep(self, captures: Sequence[Any]) -> None:
        """Give it captures to encode again and again."""
        self._ask("keep", list(captures))

    def again(self, redaction: Redaction, count: int) -> None:
        """Let it encode ``count`` of the kept captures in turn, and hand nothing back."""
        self._ask("again", redaction, count)

    def cpu_s(self) -> float:
        """CPU seconds it has used so far."""
        return float(self._ask("cpu"))

    def close(self) -> None:
        """End it. Idempotent."""
        self._link.close()
        try:
            self._process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _given(self, transport: Transport, capture: Any) -> bytes:
        if transport == "pickle":
            return pickle.dumps(capture, PICKLE_PROTOCOL)
        return bytes(capture) if transport == "text" else b"".join(self._texts.encode(capture, overlap=False))

    def _ask(self, *order: Any) -> Any:
        self._link.send(order)
        return self._link.recv()


class Workers:
    """So many workers, all of them ended with the context."""

    def __init__(self, count: int) -> None:
        self.each: list[Worker] = []
        try:
            for _ in range(count):
                self.each.append(Worker())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> list[Worker]:
        return self.each

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End them all."""
        for worker in self.each:
            worker.close()


class _Served:
    """The worker's side."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._encodings: dict[Redaction, Encoding] = {}
        self._texts = texts()
        self._kept: list[Any] = []

    def serve(self, what: str, *order: Any) -> None:
        """Do one order and answer it."""
        if what == "encode":
            self._encode(*order)
        elif what == "keep":
            self._kept = order[0]
            self._link.send(None)
        elif what == "again":
            encoding = self._encoding(order[0])
            for number in range(order[1]):
                encoding.body(self._kept[number % len(self._kept)])
            self._link.send(None)
        else:
            self._link.send(time.process_time() if what == "cpu" else None)

    def _encode(self, transport: Transport, redaction: Redaction) -> None:
        given = self._link.recv_bytes()
        try:
            body = self._encoding(redaction).body(self._capture(transport, given))
        except Exception as error:  # noqa: BLE001  # told to the parent, for whom it is one capture's fate
            self._link.send(f"{type(error).__name__}: {error}")
            return
        self._link.send(None)
        self._link.send_bytes(body)

    def _capture(self, transport: Transport, given: bytes) -> Any:
        if transport == "pickle":
            return pickle.loads(given)  # from our own parent
        return given if transport == "text" else self._texts.decode([given])

    def _encoding(self, redaction: Redaction) -> Encoding:
        if redaction not in self._encodings:
            self._encodings[redaction] = Encoding(redaction)
        return self._encodings[redaction]


def main(descriptor: int) -> None:
    """Serve until the parent closes its end."""
    with Connection(descriptor) as link:
        served = _Served(link)
        try:
            while True:
                served.serve(*link.recv())
        except (EOFError, ConnectionError):
            return
        except KeyboardInterrupt:  # a terminal's Ctrl-C reaches everybody; the parent is who tells of it
            return


if __name__ == "__main__":
    main(int(sys.argv[1]))
