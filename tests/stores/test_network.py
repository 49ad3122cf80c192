"""What keeps an answer from coming is told as what it is, at once, by every client."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stages.base import Candidate
from packhorse.stores.base import Endpoint, ObjectInfo
from packhorse.stores.failure import BrokenOff, unanswered
from packhorse.stores.network import CUT, cause_of, is_loopback, proxy_of, region_of_bucket, without_secrets
from tests.stores.conftest import NETWORK_ROWS, Opener
from tests.stores.wire import Wire

INFO = ObjectInfo()
AT_ONCE_S = 5.0
each_store = pytest.mark.parametrize("row", NETWORK_ROWS, ids=lambda row: row.name)


def endpoint(url: str, **more: Any) -> Endpoint:
    return Endpoint("bucket", url, "us-east-1", "key", "secret-key", **more)


def fails(opened: Opener, row: Candidate, where: Endpoint) -> StoreError:
    began_s = time.monotonic()
    with pytest.raises(StoreError) as caught:
        opened(row, where).put("some/key", b"body", INFO)
    assert time.monotonic() - began_s < AT_ONCE_S
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port on which each connection is handed to ``serve``."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    peer = listening.accept()[0]
                except OSError:
                    return
                threading.Thread(target=served, args=(peer,), daemon=True).start()

        def served(peer: socket.socket) -> None:
            try:
                serve(peer)
            except OSError:
                peer.close()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]


def plain_http(peer: socket.socket) -> None:
    """As servers without TLS do: 400 for what is no HTTP, 200 for what is."""
    head = peer.recv(4096)
    status = b"200 OK" if head.startswith(b"HEAD") else b"400 Bad Request"
    peer.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    peer.close()


def silent_unless_http(peer: socket.socket) -> None:
    """As servers without TLS do that wait for the end of a line."""
    held = b""
    while b"\r\n\r\n" not in held:
        held += peer.recv(4096) or b"\r\n\r\n"
    plain_http_after(peer)


def plain_http_after(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    peer.close()


@each_store
def test_a_refused_connection(row: Candidate, opened: Opener) -> None:
    with socket.socket() as bound:  # bound and not listening
        bound.bind(("127.0.0.1", 0))
        failed = fails(opened, row, endpoint(f"http://127.0.0.1:{bound.getsockname()[1]}"))
    assert failed.kind is StoreErrorKind.CONNECTION
    assert "refuses connections" in str(failed)


@each_store
def test_a_name_that_does_not_resolve(row: Candidate, opened: Opener) -> None:
    failed = fails(opened, row, endpoint("http://nowhere.invalid:9000"))
    assert failed.kind is StoreErrorKind.CONNECTION
    assert "DNS" in str(failed)


@each_store
@pytest.mark.parametrize("serve", [plain_http, silent_unless_http], ids=["refused", "silent"])
def test_tls_to_a_plain_port(row: Candidate, serve: Callable[[socket.socket], None], opened: Opener) -> None:
    with answering(serve) as port:
        failed = fails(opened, row, endpoint(f"https://127.0.0.1:{port}"))
    assert failed.kind is StoreErrorKind.CONNECTION
    assert "TLS" in str(failed)
    assert "http://" in str(failed)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def secure(authority: trustme.CA, name: str) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    def serve(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as tls:
            tls.recv(4096)

    with answering(serve) as port:
        yield port


@each_store
def test_a_certificate_of_an_unknown_authority(row: Candidate, opened: Opener, authority: trustme.CA) -> None:
    with secure(authority, "127.0.0.1") as port:
        failed = fails(opened, row, endpoint(f"https://127.0.0.1:{port}"))
    assert failed.kind is StoreErrorKind.CONNECTION
    assert "TLS failed: the certificate comes from an authority that is not trusted" in str(failed)


@each_store
def test_a_certificate_for_another_host(row: Candidate, opened: Opener, authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with secure(authority, "elsewhere.test") as port:
        failed = fails(opened, row, endpoint(f"https://127.0.0.1:{port}", ca_file=file))
    assert "TLS failed: the certificate is for another host" in str(failed)


@each_store
@pytest.mark.parametrize("what", ["missing", "folder", "empty"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_ca_file_that_is_none(row: Candidate, what: str, scheme: str, opened: Opener, tmp_path: Path) -> None:
    file = {"missing": tmp_path / "no.pem", "folder": tmp_path, "empty": tmp_path / "empty.pem"}[what]
    if what == "empty":
        file.write_text("")
    failed = fails(opened, row, endpoint(f"{scheme}://127.0.0.1:1", ca_file=file))
    assert failed.kind is StoreErrorKind.CONFIG
    assert "ca_file" in str(failed)
    assert str(file) in str(failed)


def test_what_clients_say_is_told_in_our_words() -> None:
    known = {
        "dns error: failed to lookup address information": "DNS",
        "AWS_IO_DNS_INVALID_NAME": "DNS",
        "tcp connect error: Connection refused (os error 111)": "refuses",
        "AWS_IO_SOCKET_CONNECTION_REFUSED": "refuses",
        "invalid peer certificate: Expired": "expired",
        "invalid peer certificate: UnknownIssuer": "not trusted",
        "[SSL: WRONG_VERSION_NUMBER]": "does not speak TLS",
        "received corrupt message of type InvalidContentType": "does not speak TLS",
        "AWS_IO_TLS_ERROR_NEGOTIATION_FAILURE": "TLS failed",
        "connection closed before message completed": CUT,
        "('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))": CUT,
        "something else": "",
    }
    for text, words in known.items():
        assert words in cause_of(text), text
        assert bool(words) == bool(cause_of(text)), text
    assert cause_of("PUT http://refused.example/dns-error/reset: it failed") == ""
    assert isinstance(unanswered("put", "key", endpoint("http://a"), "reset by peer"), BrokenOff)
    assert not isinstance(unanswered("put", "reset", endpoint("http://a"), "of reset: nothing"), BrokenOff)


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost", "s3.localhost")))
    assert not any(map(is_loopback, (None, "10.0.0.1", "localhost.example.com", "s3.amazonaws.com")))


def test_which_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_of("http://s3.example") is None
    monkeypatch.setenv("http_proxy", "user:secret@proxy.example:3128")
    assert proxy_of("http://s3.example") == "http://user:secret@proxy.example:3128"
    assert proxy_of("https://s3.example") is None
    assert proxy_of("http://127.0.0.1:9000") is None
    monkeypatch.setenv("no_proxy", ".example")
    assert proxy_of("http://s3.example") is None
    assert without_secrets("http://user:secret@proxy.example:3128/x?y") == "http://proxy.example:3128"


@contextmanager
def proxying() -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that writes down whom it was asked for, and answers 502."""
    asked: list[bytes] = []

    def serve(peer: socket.socket) -> None:
        asked.append(peer.recv(4096).split(b"\r\n")[0])
        peer.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        peer.close()

    with answering(serve) as port:
        yield port, asked


@pytest.fixture(params=["lower", "upper", "all"])
def proxy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    names = {
        "lower": ("http_proxy", "https_proxy"),
        "upper": ("HTTP_PROXY", "HTTPS_PROXY"),
        "all": ("ALL_PROXY", "http_proxy"),
    }[request.param]
    with proxying() as (port, asked):
        for name in names:
            monkeypatch.setenv(name, f"http://user:proxy-password@127.0.0.1:{port}")
        yield asked


@each_store
def test_loopback_is_never_proxied(row: Candidate, wire: Wire, opened: Opener, proxy: list[bytes]) -> None:
    if row.name == "boto3-crt":  # which reads the environment by itself
        with pytest.raises(StoreError, match="NO_PROXY") as caught:
            opened(row, wire.endpoint())
        assert caught.value.kind is StoreErrorKind.CONFIG
        return
    assert opened(row, wire.endpoint()).put("key", b"body", INFO).bytes_sent == 4
    assert opened(row, wire.endpoint()).put_stream("key", iter([b"body"]), INFO).bytes_sent == 4
    assert proxy == []


@each_store
def test_an_error_through_a_proxy_names_the_proxy(row: Candidate, opened: Opener, proxy: list[bytes]) -> None:
    failed = fails(opened, row, endpoint("http://s3.invalid:9000"))
    assert "through the proxy http://127.0.0.1:" in str(failed)
    assert "proxy-password" not in str(failed)
    assert len(proxy) >= 1


def test_the_region_of_a_bucket_is_asked_for_without_credentials(wire: Wire) -> None:
    assert region_of_bucket(wire.endpoint().url or "", "bucket") is None
    (asked,) = wire.requests
    assert (asked.method, "authorization" in asked.headers) == ("HEAD", False)
    assert region_of_bucket("http://127.0.0.1:1", "bucket") is None
