"""One upload through s3transfer's CRT manager: watching it, feeding it, ending it in time.

s3transfer throws away the answer's headers, cannot time out and cannot be cancelled after a wait; all three are added
here, around the client that it drives.
"""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future, wait
from queue import Empty, Full, Queue
from typing import Any, NoReturn

from awscrt.exceptions import AwsCrtError
from awscrt.s3 import S3Client

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.answers import Answer, own_headers
from packhorse.stores.base import Endpoint
from packhorse.stores.botocore_errors import translated
from packhorse.stores.failure import answered, failure, unanswered
from packhorse.stores.network import tls_trouble

#: Seconds between looks at an upload that may have stalled.
LOOK_S = 0.05
#: Seconds given to a cancelled upload for its abort request.
SETTLE_S = 10.0
#: Answers that the CRT turns into errors of its own, without the answer.
_BY_NAME = {
    "AWS_ERROR_S3_SLOW_DOWN": (StoreErrorKind.THROTTLED, 503),
    "AWS_ERROR_S3_INTERNAL_ERROR": (StoreErrorKind.SERVER, 500),
    "AWS_ERROR_S3_REQUEST_TIME_TOO_SKEWED": (StoreErrorKind.DENIED, 403),
    "AWS_ERROR_S3_NON_RECOVERABLE_ASYNC_ERROR": (StoreErrorKind.SERVER, 200),
}
_CODES = {"AWS_ERROR_S3_REQUEST_TIME_TOO_SKEWED": "RequestTimeTooSkewed"}


class Watch:
    """What is seen of one upload.

    Attributes:
        touched_s: When bytes last moved, on the monotonic clock.
        sent_bytes: Body bytes that the server has.
        answer: What the server said.
        request: The CRT's request, or None while or because it could not be made.
    """

    def __init__(self) -> None:
        self.touched_s = time.monotonic()
        self.sent_bytes = 0
        self.answer = Answer("")
        self.request: Any = None

    def on_headers(self, headers: list[tuple[str, str]], **_: Any) -> None:
        """Called in a CRT thread with the answer's headers."""
        said = {name.lower(): value for name, value in headers}
        self.answer = Answer(said.get("etag", ""), own_headers(said))


class HookedClient:
    """A CRT client as s3transfer sees it; every request it makes is watched."""

    def __init__(self, crt: S3Client, *, trailers: bool) -> None:
        self._crt: S3Client | None = crt
        self._trailers = trailers
        self._expected = threading.local()

    def expect(self) -> Watch:
        """The watch on the next request that this thread makes."""
        self._expected.watch = Watch()
        return self._expected.watch  # type: ignore[no-any-return]

    def make_request(self, **arguments: Any) -> Any:
        """As ``awscrt.s3.S3Client.make_request``."""
        watch: Watch = self._expected.watch
        report = arguments.pop("on_progress")

        def on_progress(progress: int, **_: Any) -> None:
            watch.touched_s = time.monotonic()
            watch.sent_bytes += progress
            report(progress)

        if not self._trailers:
            arguments["checksum_config"] = None
        if self._crt is None:
            raise ValueError("the client is closed")
        del self._expected.watch  # it would keep the request, and so the client's threads, alive
        watch.request = self._crt.make_request(on_headers=watch.on_headers, on_progress=on_progress, **arguments)
        return watch.request

    def release(self) -> threading.Event | None:
        """Give the client up; the event is set once its threads have ended. None when it was given up before."""
        crt, self._crt = self._crt, None
        return None if crt is None else crt.shutdown_event


class Feed:
    """Hands parts from the thread that makes them to the CRT's thread that reads them; one part waits at most."""

    def __init__(self) -> None:
        self._queue: Queue[bytes] = Queue(1)
        self._held = memoryview(b"")
        self._ended = False
        self.given_bytes = 0

    def give(self, part: bytes, unwanted: Any) -> bool:
        """Wait until ``part`` is taken over; False when ``unwanted()`` turned true first."""
        while not unwanted():
            try:
                self._queue.put(part, timeout=LOOK_S)
            except Full:
                continue
            self.given_bytes += len(part)
            return True
        return False

    def end(self) -> None:
        """No more parts will come."""
        self._ended = True

    def read(self, size: int) -> bytes:
        """Called in a CRT thread: wait for bytes; ``b""`` at the end."""
        while not len(self._held):
            ended = self._ended  # looked at before the queue: the last part may be put in between
            try:
                self._held = memoryview(self._queue.get(timeout=0 if ended else LOOK_S))
            except Empty:
                if ended:
                    return b""
        data = bytes(self._held[:size])
        self._held = self._held[size:]
        return data


class Transfer:
    """One upload under way."""

    def __init__(self, manager: Any, future: Any, watch: Watch, key: str, endpoint: Endpoint) -> None:
        self._manager = manager
        self._future = future
        self._watch = watch
        # The CRT keeps the watch for as long as the request lives: were it to keep the request too, neither would go.
        self._request, watch.request = watch.request, None
        self._key = key
        self._endpoint = endpoint

    def done(self) -> bool:
        """True when the upload has ended, well or not."""
        return self._request is None or bool(self._finished.done())

    def cancel(self) -> None:
        """Ask the CRT to stop; it aborts a multipart upload by itself."""
        if self._request is not None:
            self._request.cancel()

    def settle(self) -> bool:
        """Wait for a cancelled upload's end, ten seconds at most, and let go of it; True when it came."""
        if self._request is None:
            return True
        settled = bool(wait([self._finished], SETTLE_S).done)
        if settled:
            with contextlib.suppress(Exception):
                self._future.result()  # s3transfer lets go of the request here
            self._manager.shutdown()
        self._request = None
        return settled

    def result(self) -> tuple[Answer, int]:
        """Wait for the end of the upload: the answer, and the bytes that were sent.

        Raises:
            StoreError: It failed, or nothing moved for ``read_timeout_s``.
        """
        while not self.done() and not wait([self._finished], LOOK_S).done:
            if time.monotonic() - self._watch.touched_s > self._endpoint.read_timeout_s:
                self._give_up()
        error: StoreError
        try:
            self._future.result()
            return self._watch.answer, self._watch.sent_bytes
        except AwsCrtError as crt_error:
            error = _translated(crt_error, self._key, self._endpoint)
        except Exception as sdk_error:  # noqa: BLE001 - whatever an SDK raises ends here
            error = translated(sdk_error, "put", self._key, self._endpoint)
        finally:
            self._manager.shutdown()  # waits for the callbacks, so that no CRT thread is in Python at exit
            self._request = None  # the traceback of an error holds this object, and so would hold the client's threads
        raise error from None

    def _give_up(self) -> NoReturn:
        self.cancel()
        why = "no answer within read_timeout_s"
        if not self.settle():
            why += ", and the upload does not end when cancelled"
        url = self._endpoint.url or ""
        if url.startswith("https:") and (trouble := tls_trouble(url, str(self._endpoint.ca_file or "") or None)):
            # The CRT shakes hands again and again by itself, and tells nothing of it.
            raise failure("put", self._key, self._endpoint, StoreErrorKind.CONNECTION, trouble)
        raise failure("put", self._key, self._endpoint, StoreErrorKind.TIMEOUT, why)

    @property
    def _finished(self) -> Future[None]:
        return self._request.finished_future  # type: ignore[no-any-return]


def _translated(error: AwsCrtError, key: str, endpoint: Endpoint) -> StoreError:
    name = str(error.name)
    status = getattr(error, "status_code", None)
    if status is not None:
        body = bytes(getattr(error, "body", None) or b"")[:4096].decode(errors="replace")
        headers = {text.lower(): value for text, value in getattr(error, "headers", None) or ()}
        region = headers.get("x-amz-bucket-region")
        return answered("put", key, endpoint, status=status, body=body, why=name, region=region)
    if name in _BY_NAME:
        kind, status = _BY_NAME[name]
        return failure("put", key, endpoint, kind, name, status=status, code=_CODES.get(name))
    if "TIMEOUT" in name:
        return failure("put", key, endpoint, StoreErrorKind.TIMEOUT, name)
    if name.startswith(("AWS_IO_", "AWS_ERROR_HTTP_")):
        return unanswered("put", key, endpoint, name, name)
    kind = StoreErrorKind.CONFIG if name.startswith("AWS_AUTH_") else StoreErrorKind.INVALID
    return failure("put", key, endpoint, kind, name)
