"""What goes wrong between a store and a server, and what becomes of it."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from packhorse.bench.lab.targets import Target
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stages.base import Candidate
from packhorse.stores.base import DEFAULT_PART_BYTES, Endpoint, ObjectInfo
from packhorse.stores.boto3_transfer import PARTS_IN_MEMORY
from tests.stores.conftest import NETWORK_ROWS, Opener

INFO = ObjectInfo()
SECRET = "c2VjcmV0LWtleS1uZXZlci1zaG93bg"
#: S3's answer to a wrong signature quotes what was signed, and the access key.
TELLING = (
    "<?xml version='1.0'?><Error><Code>{code}</Code><Message>it was " + SECRET + "</Message>"
    "<AWSAccessKeyId>AKIATELLTALE</AWSAccessKeyId><StringToSign>AWS4-HMAC</StringToSign></Error>"
)

pytestmark = pytest.mark.parametrize("row", NETWORK_ROWS, ids=lambda row: row.name)


class Canned(ThreadingHTTPServer):
    """Answers every request with one status and code; counts them."""

    daemon_threads = True

    def __init__(self, status: int, code: str, headers: dict[str, str], delay_s: float = 0) -> None:
        self.requests = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                server.requests += 1
                time.sleep(delay_s)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = TELLING.format(code=code).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body)), "Content-Type": "text/xml"}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - the names http.server looks for

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(
            "bucket", f"http://127.0.0.1:{self.server_port}", "us-east-1", "AKIATELLTALE", SECRET, read_timeout_s=60
        )


@pytest.fixture
def canned(request: pytest.FixtureRequest) -> Iterator[Canned]:
    server = Canned(*request.param)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def put_fails(opened: Opener, row: Candidate, endpoint: Endpoint) -> StoreError:
    with pytest.raises(StoreError) as caught:
        opened(row, endpoint).put("some/key", b"body", INFO)
    error = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    for secret in (SECRET, "AKIATELLTALE", "AWS4-HMAC", "Signature=", endpoint.secret_key or SECRET):
        assert secret not in str(error)
    return error


@pytest.mark.parametrize(
    ("canned", "kind"),
    [
        ((403, "SignatureDoesNotMatch", {}), StoreErrorKind.DENIED),
        ((400, "ExpiredToken", {}), StoreErrorKind.DENIED),
        ((400, "KMS.DisabledException", {}), StoreErrorKind.DENIED),
        ((404, "NoSuchBucket", {}), StoreErrorKind.NOT_FOUND),
        ((412, "PreconditionFailed", {}), StoreErrorKind.CONFLICT),
        ((429, "TooManyRequests", {"Retry-After": "7"}), StoreErrorKind.THROTTLED),
        ((503, "SlowDown", {"Retry-After": "7"}), StoreErrorKind.THROTTLED),
        ((500, "InternalError", {}), StoreErrorKind.SERVER),
        ((400, "InvalidRequest", {}), StoreErrorKind.INVALID),
    ],
    indirect=["canned"],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_answers_are_classified(row: Candidate, canned: Canned, kind: StoreErrorKind, opened: Opener) -> None:
    error = put_fails(opened, row, canned.endpoint)
    assert error.kind == kind, error
    assert error.status is not None
    assert canned.requests == 1, "the SDK retried"
    if kind == StoreErrorKind.THROTTLED and row.name in {"boto3", "boto3-transfer", "aiobotocore"}:
        assert error.retry_after_s == 7


def test_missing_bucket(row: Candidate, target: Target, opened: Opener) -> None:
    error = put_fails(opened, row, replace(target.endpoint, bucket="not-there-at-all"))
    assert (error.kind, error.status) == (StoreErrorKind.NOT_FOUND, 404)
    assert "not-there-at-all" in str(error)


def test_denied(row: Candidate, rclone: Target, opened: Opener) -> None:
    for endpoint in (replace(rclone.endpoint, secret_key=SECRET), replace(rclone.endpoint, access_key="AKIATELLTALE")):
        error = put_fails(opened, row, endpoint)
        assert (error.kind, error.status) == (StoreErrorKind.DENIED, 403)


def test_refused(row: Candidate, rclone: Target, opened: Opener) -> None:
    with socket.socket() as bound:  # bound and not listening: nobody else can take the port meanwhile
        bound.bind(("127.0.0.1", 0))
        error = put_fails(opened, row, replace(rclone.endpoint, url=f"http://127.0.0.1:{bound.getsockname()[1]}"))
    assert error.kind == StoreErrorKind.CONNECTION
    assert error.retryable


def test_silence_times_out(row: Candidate, rclone: Target, opened: Opener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        error = put_fails(opened, row, replace(rclone.endpoint, url=url, read_timeout_s=0.3))
    assert error.kind == StoreErrorKind.TIMEOUT


def test_plain_http_server_asked_for_tls(row: Candidate, rclone: Target, opened: Opener) -> None:
    url = (rclone.endpoint.url or "").replace("http:", "https:")
    assert put_fails(opened, row, replace(rclone.endpoint, url=url)).kind == StoreErrorKind.CONNECTION


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("AWS_ENDPOINT_URL_S3", url)
            for url in ("nonsense", "http://", "http://host:notaport", f"ftp://a:{SECRET}@b")
        ),
        ("AWS_REGION", "not a region"),
    ],
)
def test_an_unusable_variable(  # what is given to an Endpoint is refused there
    row: Candidate, rclone: Target, opened: Opener, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(name, text)
    error = put_fails(opened, row, replace(rclone.endpoint, url=None, region=None))
    assert error.kind == StoreErrorKind.CONFIG
    assert "from the environment or the AWS configuration" in str(error)


def test_password_in_url_is_not_shown(row: Candidate, rclone: Target, opened: Opener) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://user:{SECRET}@127.0.0.1:{bound.getsockname()[1]}"
        put_fails(opened, row, replace(rclone.endpoint, url=url))


def test_no_credentials(row: Candidate, rclone: Target, opened: Opener) -> None:
    error = put_fails(opened, row, replace(rclone.endpoint, access_key=None, secret_key=None))
    assert error.kind == StoreErrorKind.CONFIG
    assert "AWS_ACCESS_KEY_ID" in str(error)


def test_credentials_from_environment(
    row: Candidate, rclone: Target, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rclone.endpoint.access_key or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rclone.endpoint.secret_key or "")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", rclone.endpoint.url or "")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    store = opened(row, Endpoint(rclone.endpoint.bucket))
    assert store.put(f"env/{uuid.uuid4()}", b"x", INFO).bytes_sent == 1


def test_explicit_settings_win_over_environment(
    row: Candidate, rclone: Target, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "of-another-account")
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert opened(row, rclone.endpoint).put(f"explicit/{uuid.uuid4()}", b"x", INFO).bytes_sent == 1


def test_credentials_from_profile(
    row: Candidate, rclone: Target, opened: Opener, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "credentials").write_text(
        f"[mine]\naws_access_key_id = {rclone.endpoint.access_key}\n"
        f"aws_secret_access_key = {rclone.endpoint.secret_key}\n"
    )
    (tmp_path / "config").write_text(f"[profile mine]\nregion = us-east-1\nendpoint_url = {rclone.endpoint.url}\n")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    store = opened(row, Endpoint(rclone.endpoint.bucket))
    assert store.put(f"profile/{uuid.uuid4()}", b"x", INFO).bytes_sent == 1


# The later a server refuses, the more has been produced: within this delay all that any store takes.
@pytest.mark.parametrize("canned", [(503, "SlowDown", {}, 0.5)], indirect=True)
def test_stream_refused_at_its_start(row: Candidate, canned: Canned, opened: Opener) -> None:
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(200):
            taken += 1
            yield bytes(1024 * 1024)

    with pytest.raises(StoreError) as caught:
        opened(row, canned.endpoint).put_stream("some/key", chunks(), INFO)
    assert caught.value.kind == StoreErrorKind.THROTTLED
    # boto3-transfer takes the most: it gathers on while the upload is being begun, until its manager holds all it may,
    # and one part more that waits to be taken over.
    most_bytes = (PARTS_IN_MEMORY + 1) * DEFAULT_PART_BYTES
    assert taken * 1024 * 1024 <= most_bytes, "production must stop soon after the upload has failed"
