"""What counts as stored: what S3 says in its own words, or what a look confirms. The same for every client."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

import obstore
import pytest

from benches.studies.fault_server.answers import Answer, error, xml
from benches.studies.fault_server.objects import Request
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stages.base import Candidate
from packhorse.stores.answers import MAX_ANSWER_BYTES, is_md5, own_headers
from packhorse.stores.base import DEFAULT_PART_BYTES, ObjectInfo
from packhorse.stores.obstore_client import Keeping
from packhorse.units import MIB
from tests.stores.conftest import NETWORK_ROWS, ROWS, Opener, read
from tests.stores.wire import Wire

INFO = ObjectInfo("application/json", "gzip", {"packhorse-wire": "json gzip raw"})
BODY = b"x" * 10_000
STREAM = (b"y" * DEFAULT_PART_BYTES, b"the rest")
PORTAL = Answer(200, {"ETag": '"5d41402abc4b2a76b9719d911017c592"', "Content-Type": "text/html"}, b"<html>Log in")

each_store = pytest.mark.parametrize("row", NETWORK_ROWS, ids=lambda row: row.name)
#: These read answers in Python, where they can be bounded. The AWS runtime and obstore read them whole by themselves.
BOUNDED = [row for row in NETWORK_ROWS if row.name in {"boto3", "boto3-transfer", "aiobotocore"}]


@each_store
def test_a_captive_portal_stores_nothing(row: Candidate, wire: Wire, opened: Opener) -> None:
    store = opened(row, wire.endpoint())
    wire.refuse = lambda _: PORTAL
    with pytest.raises(StoreError) as caught:
        store.put("key", BODY, INFO)
    assert caught.value.kind is StoreErrorKind.SERVER
    assert caught.value.retryable
    with pytest.raises(StoreError):
        store.put_stream("large", iter(STREAM), INFO)
    wire.refuse = lambda _: None
    assert store.put("key", BODY, INFO).bytes_sent == len(BODY)


@each_store
def test_a_portal_that_comes_later_stores_nothing(row: Candidate, wire: Wire, opened: Opener) -> None:
    store = opened(row, wire.endpoint())
    store.put("before", BODY, INFO)
    wire.refuse = lambda _: PORTAL
    with pytest.raises(StoreError):
        store.put("key", BODY, INFO)


@each_store
@pytest.mark.parametrize("operation", ["begin", "part", "finish"])
def test_a_portal_in_the_midst_of_a_stream(row: Candidate, operation: str, wire: Wire, opened: Opener) -> None:
    wire.refuse = lambda request: PORTAL if request.operation == operation else None
    with pytest.raises(StoreError) as caught:
        opened(row, wire.endpoint()).put_stream("large", iter(STREAM), INFO)
    assert caught.value.retryable or operation == "part", caught.value  # s3transfer finds out when the parts are joined


@each_store
def test_an_answer_without_an_entity_tag_is_looked_into(row: Candidate, wire: Wire, opened: Opener) -> None:
    """Behind proxies that drop it, and at servers that have none."""
    answer = wire.objects.answer

    def without_tag(request: Request, body: bytes) -> Answer:
        said = answer(request, body)
        return replace(said, headers={}) if request.method == "PUT" and "if-match" not in request.headers else said

    wire.objects.answer = without_tag  # type: ignore[method-assign]
    assert opened(row, wire.endpoint()).put("key", BODY, INFO).etag
    assert wire.objects.ledger().objects["key"].times == 1


@each_store
def test_an_entity_tag_that_is_no_digest_is_looked_into(row: Candidate, wire: Wire, opened: Opener) -> None:
    """As of objects that KMS encrypts."""
    answer = wire.objects.answer

    def other_tag(request: Request, body: bytes) -> Answer:
        said = answer(request, body)
        return replace(said, headers={**said.headers, "ETag": '"of-another-kind"'}) if request.method == "PUT" else said

    wire.objects.answer = other_tag  # type: ignore[method-assign]
    store = opened(row, wire.endpoint())
    assert store.put("key", BODY, INFO).bytes_sent == len(BODY)
    wire.refuse = lambda request: error(403, "AccessDenied") if request.method == "HEAD" else None
    with pytest.raises(StoreError, match="s3:GetObject") as caught:
        store.put("key", BODY, INFO)
    assert caught.value.retryable


@each_store
def test_headers_of_s3s_own_need_no_look(row: Candidate, wire: Wire, opened: Opener) -> None:
    answer = wire.objects.answer

    def s3(request: Request, body: bytes) -> Answer:
        said = answer(request, body)
        return replace(said, headers={**said.headers, "x-amz-request-id": "4442587FB7D0A2F9"})

    wire.objects.answer = s3  # type: ignore[method-assign]
    opened(row, wire.endpoint()).put("key", BODY, INFO)
    assert [request.method for request in wire.requests] == ["PUT"]


@each_store
def test_ceph_leaves_the_entity_tag_of_a_finished_upload_empty(row: Candidate, wire: Wire, opened: Opener) -> None:
    answer = wire.objects.answer

    def ceph(request: Request, body: bytes) -> Answer:
        said = answer(request, body)
        if request.operation != "finish" or said.status != 200:
            return said
        return replace(said, body=xml("CompleteMultipartUploadResult", Bucket="bucket", Key=request.key, ETag=""))

    wire.objects.answer = ceph  # type: ignore[method-assign]
    store = opened(row, wire.endpoint())
    result = store.put_stream("large", iter(STREAM), INFO)
    assert result.etag
    assert result.bytes_sent == len(b"".join(STREAM))
    assert read(store, "large") == b"".join(STREAM)


@pytest.mark.parametrize("row", BOUNDED, ids=lambda row: row.name)
@pytest.mark.parametrize("status", [200, 403, 503])
def test_what_comes_in_place_of_an_answer_is_read_up_to_a_bound(
    row: Candidate, status: int, wire: Wire, opened: Opener
) -> None:
    huge = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>" + b"m" * (64 * MIB) + b"</Message></Error>"
    wire.refuse = lambda request: Answer(status, {}, huge) if request.method == "PUT" else error(404, "NoSuchKey")
    with pytest.raises(StoreError) as caught:
        opened(row, wire.endpoint()).put("key", BODY, INFO)
    assert caught.value.retryable or status == 403
    (sent,) = [request for request in wire.requests if request.method == "PUT"]
    assert sent.key == "key"
    assert wire.sent_bytes < 16 * MIB + MAX_ANSWER_BYTES, "what was not read cannot have been sent, but for buffers"


@pytest.mark.parametrize("row", [row for row in ROWS if row.name.startswith("obstore")], ids=lambda row: row.name)
def test_obstore_is_left_after_an_answer_without_end(
    row: Candidate, wire: Wire, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = b"<Error><Code>SlowDown</Code>" + b"m" * (2 * MIB) + b"</Error>"
    wire.refuse = lambda _: Answer(503, {}, huge)
    store = opened(row, wire.endpoint())
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            store.put("key", BODY, INFO)
        assert caught.value.kind is StoreErrorKind.THROTTLED
        monkeypatch.setattr(obstore, "put", None)
        monkeypatch.setattr(obstore, "put_async", None)
    wire.refuse = lambda _: None
    assert store.put("key", BODY, INFO).bytes_sent == len(BODY)


@each_store
def test_an_answer_that_trickles_ends(row: Candidate, wire: Wire, opened: Opener) -> None:
    """Each line comes within the timeout, the whole never."""
    wire.trickle_s = 0.3
    began_s = time.monotonic()
    with pytest.raises(StoreError) as caught:
        opened(row, replace(wire.endpoint(), connect_timeout_s=1.0, read_timeout_s=1.0)).put("key", BODY, INFO)
    assert caught.value.kind is StoreErrorKind.TIMEOUT
    assert time.monotonic() - began_s < 8


def test_an_object_may_take_longer_than_an_answer(wire: Wire, opened: Opener) -> None:
    """Reading is bounded by silences alone."""
    store = opened(next(row for row in ROWS if row.name == "boto3"), replace(wire.endpoint(), read_timeout_s=1.0))
    store.put("key", BODY, INFO)
    wire.pause_in_body_s = 0.7
    with store.open("key") as found:
        assert b"".join(found.chunks) == BODY


@pytest.mark.parametrize("row", [row for row in ROWS if row.name.startswith("obstore")], ids=lambda row: row.name)
def test_connections_are_not_kept_where_they_die_after_their_answer(row: Candidate, wire: Wire, opened: Opener) -> None:
    """As some balancers reset each once it has answered: a failure or two, not every other put."""
    store = opened(row, wire.endpoint())
    wire.reset_after_s = 0.01
    stored = 0
    for number in range(40):
        with contextlib.suppress(StoreError):
            stored += bool(store.put(f"key-{number}", BODY, INFO).etag)
    assert stored >= 38
    assert len(wire.requests) <= 40, "a request that failed is told, and not repeated out of sight"


def test_keeping_connections() -> None:
    keeping = Keeping()
    keeping.broke_off()
    assert keeping.pool(8) == 8, "nothing was answered: an outage, not a kept connection"
    keeping.answered()
    keeping.broke_off()
    assert keeping.pool(8) == 0


def test_what_is_evidence() -> None:
    assert is_md5("5d41402abc4b2a76b9719d911017c592", b"hello")
    assert not is_md5("5d41402abc4b2a76b9719d911017c592", b"other")
    assert not is_md5("5d41402abc4b2a76b9719d911017c592", None)
    assert own_headers({"X-Amz-Id-2": "x"})
    assert not own_headers({"ETag": "x", "Via": "1.1 portal"})
