"""What counts as success, and what is made of S3's refusals: every store at a server that answers as told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benches.studies.fault_server import Fault, FaultScript, FaultyS3
from benches.studies.fault_server.answers import Answer, error
from packhorse.bench.lab.targets import Target
from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.stages.base import Candidate
from packhorse.stores.answers import is_entity_tag
from packhorse.stores.base import DEFAULT_PART_BYTES, Endpoint, ObjectInfo
from packhorse.stores.failure import THROTTLED_FLOOR_S
from tests.stores.conftest import NETWORK_ROWS, ROWS, Opener, client_of, read
from tests.stores.wire import Wire

INFO = ObjectInfo("application/json", "gzip", {"packhorse-wire": "json/gzip/raw"})
BODY = b"x" * 10_000
STREAM = (b"y" * DEFAULT_PART_BYTES, b"the rest")
#: Stores whose ``Retry-After`` can be had.
TELLING = {"boto3", "boto3-transfer", "aiobotocore"}
CREATING = ("boto3", "aiobotocore", "obstore", "obstore-async")
CUT = {
    "status line": b"HTTP/1.1 200",
    "head": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "entity tag": b'HTTP/1.1 200 OK\r\nETag: "0123',
    "no entity tag": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "empty entity tag": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag:\r\nConnection: close\r\n\r\n",
    "unquoted entity tag": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: 0123\r\nConnection: close\r\n\r\n",
    "body": b'HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n<?xml version="1.0"?><Initi',
}

each_store = pytest.mark.parametrize("row", NETWORK_ROWS, ids=lambda row: row.name)
#: All but aiobotocore, whose aiohttp repeats lost PUTs and follows redirects by itself.
STRICT = [row for row in NETWORK_ROWS if row.name != "aiobotocore"]
each_strict = pytest.mark.parametrize("row", STRICT, ids=lambda row: row.name)
each_creating = pytest.mark.parametrize("row", [row for row in ROWS if row.name in CREATING], ids=lambda row: row.name)


def fails(opened: Opener, row: Candidate, endpoint: Endpoint) -> StoreError:
    with pytest.raises(StoreError) as caught:
        opened(row, endpoint).put("some/key", BODY, INFO)
    return caught.value


@each_store
@pytest.mark.parametrize("cut", ["status line", "head", "entity tag"])
def test_only_a_whole_answer_is_success(row: Candidate, cut: str, wire: Wire, opened: Opener) -> None:
    wire.raw = CUT[cut]
    wire.objects.answer = lambda *_: Answer(404)  # type: ignore[method-assign]  # and a look finds nothing
    failed = fails(opened, row, wire.endpoint())
    assert failed.retryable, failed
    # aiohttp sends a PUT once more by itself when no whole head came, and it cannot be told not to.
    puts = [request for request in wire.requests if request.method == "PUT"]
    assert len(puts) <= (2 if row.name == "aiobotocore" else 1), "the SDK retried"


@each_store
@pytest.mark.parametrize("cut", CUT)
def test_a_stream_whose_beginning_is_answered_badly_fails(row: Candidate, cut: str, wire: Wire, opened: Opener) -> None:
    wire.raw = CUT[cut]
    with pytest.raises(StoreError) as caught:
        opened(row, wire.endpoint()).put_stream("some/key", iter(STREAM), INFO)
    assert caught.value.retryable, caught.value


@each_store
@pytest.mark.parametrize("operation", ["part", "finish"])
def test_a_stream_without_entity_tags_that_is_not_stored_fails(
    row: Candidate, operation: str, wire: Wire, opened: Opener
) -> None:
    # In parts the tag is a header; of the finished object it stands in the body.
    body = b"<?xml version='1.0'?><CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
    wire.refuse = lambda request: Answer(body=body) if request.operation == operation else None
    with pytest.raises(StoreError) as caught:
        opened(row, wire.endpoint()).put_stream("some/key", iter(STREAM), INFO)
    assert caught.value.retryable, caught.value


@each_strict
def test_a_truncated_answer_in_the_lab(row: Candidate, faulty: FaultyS3, opened: Opener) -> None:
    faulty.play(FaultScript((Fault("truncated-answer", times=1),)))
    store = opened(row, faulty.endpoint())
    if row.name in {"boto3", "boto3-transfer"}:  # botocore takes a cut head for a whole one; a look finds the object
        store.put("a", BODY, INFO)
    else:
        with pytest.raises(StoreError) as caught:
            store.put("a", BODY, INFO)
        assert caught.value.retryable
        assert store.put("a", BODY, INFO).bytes_sent == len(BODY)
    assert faulty.ledger().objects["a"].times <= 2
    assert read(store, "a") == BODY


@pytest.mark.parametrize("text", [None, "", '"', '""', "abc", '"abc', 'abc"', '"a b"', '"a"b"', '"abc"\n', 'W/"abc"'])
def test_what_is_no_entity_tag(text: str | None) -> None:
    assert not is_entity_tag(str(text or ""))


def test_entity_tags_of_both_kinds() -> None:
    for text in ('"d41d8cd98f00b204e9800998ecf8427e"', '"d41d8cd98f00b204e9800998ecf8427e-12"'):
        assert is_entity_tag(text)


@each_store
@pytest.mark.parametrize("asked_s", [None, 7.0])
def test_throttling_says_how_long_to_wait(
    row: Candidate, asked_s: float | None, faulty: FaultyS3, opened: Opener
) -> None:
    faulty.play(FaultScript((Fault("503", retry_after_s=asked_s),)))
    failed = fails(opened, row, faulty.endpoint())
    assert failed.kind is StoreErrorKind.THROTTLED
    told = asked_s is not None and row.name in TELLING
    assert failed.retry_after_s == (asked_s if told else THROTTLED_FLOOR_S)


@each_store
def test_a_wrong_clock_is_named(row: Candidate, faulty: FaultyS3, opened: Opener) -> None:
    faulty.play(FaultScript((Fault("clock-skew"),)))
    failed = fails(opened, row, faulty.endpoint())
    assert failed.kind is StoreErrorKind.DENIED
    assert not failed.retryable
    assert "clock" in str(failed)
    assert "credentials" not in str(failed)
    if row.name != "boto3-crt":  # which shows no body
        assert any(f"{seconds} s behind S3's" in str(failed) for seconds in range(3580, 3601)), failed


@each_strict
def test_a_redirect_says_what_to_set(row: Candidate, faulty: FaultyS3, opened: Opener) -> None:
    faulty.play(FaultScript((Fault("307"),)))
    failed = fails(opened, row, faulty.endpoint())
    assert failed.kind is StoreErrorKind.CONFIG
    assert "set the region" in str(failed)
    assert faulty.report().requests["put"] == 1
    assert not faulty.ledger().objects


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in TELLING], ids=lambda row: row.name)
def test_a_redirect_names_the_region(row: Candidate, wire: Wire, opened: Opener) -> None:
    answer = error(307, "TemporaryRedirect")
    wire.refuse = lambda _: replace(answer, headers={**answer.headers, "x-amz-bucket-region": "eu-central-1"})
    assert "to eu-central-1" in str(fails(opened, row, wire.endpoint()))


@each_store
@pytest.mark.parametrize("code", ["OperationAborted", "ConditionalRequestConflict"])
def test_a_conflict_that_passes_may_be_tried_again(row: Candidate, code: str, wire: Wire, opened: Opener) -> None:
    wire.refuse = lambda _: error(409, code)
    failed = fails(opened, row, wire.endpoint())
    if row.name != "boto3-crt":  # which shows a status alone
        assert failed.kind is StoreErrorKind.SERVER
        assert failed.code == code


@each_store
def test_a_refused_condition_is_final(row: Candidate, faulty: FaultyS3, opened: Opener) -> None:
    faulty.play(FaultScript((Fault("412"),)))
    failed = fails(opened, row, faulty.endpoint())
    assert failed.kind is StoreErrorKind.CONFLICT
    assert not failed.retryable


@each_creating
def test_create_only_keeps_what_exists(row: Candidate, faulty: FaultyS3, opened: Opener) -> None:
    faulty.play(FaultScript())
    store = opened(row, replace(faulty.endpoint(), create_only=True))
    tag = store.put("a", BODY, INFO).etag
    assert store.put("a", BODY, INFO).etag == tag, "the same object once more is what was wanted"
    for body, info in ((BODY + b"!", INFO), (BODY[1:] + b"!", INFO), (BODY, replace(INFO, metadata={"other": "1"}))):
        with pytest.raises(StoreError) as caught:
            store.put("a", body, info)
        assert caught.value.kind is StoreErrorKind.CONFLICT
    assert read(store, "a") == BODY
    assert faulty.ledger().objects["a"].times == 1


@each_creating
def test_create_only_after_a_lost_answer(row: Candidate, faulty: FaultyS3, opened: Opener) -> None:
    faulty.play(FaultScript((Fault("lost-answer", times=1),)))
    store = opened(row, replace(faulty.endpoint(), create_only=True))
    if row.name != "aiobotocore":  # whose aiohttp sends it again by itself
        with pytest.raises(StoreError) as caught:
            store.put("a", BODY, INFO)
        assert caught.value.retryable
    assert store.put("a", BODY, INFO).bytes_sent == len(BODY), "a 412 for one's own write is success"
    assert faulty.ledger().objects["a"].times == 1


@each_creating
def test_create_only_that_cannot_be_checked_is_a_conflict(row: Candidate, wire: Wire, opened: Opener) -> None:
    store = opened(row, wire.endpoint(create_only=True))
    store.put("a", BODY, INFO)
    wire.refuse = lambda request: error(403, "AccessDenied") if request.operation == "get" else None
    with pytest.raises(StoreError) as caught:
        store.put("a", BODY, INFO)
    assert (caught.value.kind, caught.value.status) == (StoreErrorKind.CONFLICT, 412)


@each_creating
def test_create_only_that_cannot_be_checked_now_may_be_tried_again(row: Candidate, wire: Wire, opened: Opener) -> None:
    store = opened(row, wire.endpoint(create_only=True))
    tag = store.put("a", BODY, INFO).etag
    wire.refuse = lambda request: error(503, "SlowDown") if request.operation == "get" else None
    with pytest.raises(StoreError) as caught:
        store.put("a", BODY, INFO)
    assert caught.value.retryable
    wire.refuse = lambda _: None
    assert store.put("a", BODY, INFO).etag == tag


@each_creating
def test_create_only_streams(row: Candidate, wire: Wire, opened: Opener) -> None:
    store = opened(row, wire.endpoint(create_only=True))
    store.put_stream("a", iter(STREAM), INFO)
    with pytest.raises(StoreError) as caught:
        store.put_stream("a", iter([STREAM[0], b"another rest"]), INFO)
    assert caught.value.kind is StoreErrorKind.CONFLICT
    assert read(store, "a") == b"".join(STREAM)
    assert wire.objects.ledger().open_uploads == ()


@pytest.mark.parametrize("row", [r for r in NETWORK_ROWS if r.name not in CREATING], ids=lambda row: row.name)
def test_create_only_is_refused_where_it_cannot_be_kept(row: Candidate, wire: Wire, opened: Opener) -> None:
    with pytest.raises(StoreError, match="create_only") as caught:
        opened(row, wire.endpoint(create_only=True)).put("a", BODY, INFO)
    assert caught.value.kind is StoreErrorKind.CONFIG
    assert wire.requests == []


def sent(wire: Wire, operation: str) -> dict[str, str]:
    (request,) = [request for request in wire.requests if request.operation == operation]
    found = {name: text for name, text in request.headers.items() if "server-side-encryption" in name}
    return {name.removeprefix("x-amz-server-side-encryption"): text for name, text in found.items()}


@each_store
@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({}, {}),
        ({"server_side_encryption": "AES256"}, {"": "AES256"}),
        ({"kms_key_id": "alias/mine"}, {"": "aws:kms", "-aws-kms-key-id": "alias/mine"}),
        (
            {"server_side_encryption": "aws:kms:dsse", "kms_key_id": "k", "bucket_key": True},
            {"": "aws:kms:dsse", "-aws-kms-key-id": "k", "-bucket-key-enabled": "true"},
        ),
    ],
    ids=["none", "AES256", "key", "all"],
)
def test_encryption_is_on_the_wire(
    row: Candidate, settings: dict[str, Any], headers: dict[str, str], wire: Wire, opened: Opener
) -> None:
    if row.name == "boto3-crt" and "bucket_key" in settings:
        with pytest.raises(StoreError, match="bucket_key"):
            opened(row, wire.endpoint(**settings))
        return
    store = opened(row, wire.endpoint(**settings))
    store.put("a", BODY, INFO)
    assert sent(wire, "put") == headers
    store.put_stream("b", iter(STREAM), INFO)
    assert sent(wire, "begin") == headers
    assert all(
        "server-side-encryption" not in name for r in wire.requests if r.operation == "part" for name in r.headers
    )


@each_store
def test_encryption_from_the_environment(
    row: Candidate, wire: Wire, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SERVER_SIDE_ENCRYPTION", "aws:kms")
    monkeypatch.setenv("AWS_SSE_KMS_KEY_ID", "of-the-environment")
    opened(row, wire.endpoint()).put("a", BODY, INFO)
    assert sent(wire, "put") == {"": "aws:kms", "-aws-kms-key-id": "of-the-environment"}
    wire.requests.clear()
    opened(row, wire.endpoint(server_side_encryption="aws:kms:dsse", kms_key_id="given")).put("a", BODY, INFO)
    assert sent(wire, "put") == {"": "aws:kms:dsse", "-aws-kms-key-id": "given"}
    with pytest.raises(StoreError, match="AWS_SSE_KMS_KEY_ID"):
        opened(row, wire.endpoint(server_side_encryption="AES256")).put("a", BODY, INFO)


@pytest.mark.parametrize("row", [row for row in STRICT if row.name != "boto3-crt"], ids=lambda row: row.name)
def test_bucket_keys_from_the_environment(
    row: Candidate, wire: Wire, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SSE_BUCKET_KEY_ENABLED", "true")
    opened(row, wire.endpoint(server_side_encryption="aws:kms")).put("a", BODY, INFO)
    assert sent(wire, "put") == {"": "aws:kms", "-bucket-key-enabled": "true"}
    wire.requests.clear()
    opened(row, wire.endpoint(server_side_encryption="aws:kms", bucket_key=False)).put("a", BODY, INFO)
    assert sent(wire, "put").get("-bucket-key-enabled") != "true"
    failed = fails(opened, row, wire.endpoint())
    assert failed.kind is StoreErrorKind.CONFIG
    assert "bucket_key needs" in str(failed)


@each_store
def test_encryption_that_is_none_is_refused(
    row: Candidate, wire: Wire, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SERVER_SIDE_ENCRYPTION", "rot13")
    failed = fails(opened, row, wire.endpoint())
    assert failed.kind is StoreErrorKind.CONFIG
    assert "AWS_SERVER_SIDE_ENCRYPTION" in str(failed)


@pytest.mark.parametrize(
    "settings",
    [
        {"server_side_encryption": "kms"},
        {"server_side_encryption": "AES256", "kms_key_id": "k"},
        {"access_key": "a", "secret_key": "b", "credentials": lambda: None},
    ],
)
def test_endpoints_that_contradict_themselves(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Endpoint("bucket", **settings)


@each_creating
@pytest.mark.parametrize("streamed", [False, True], ids=["put", "put_stream"])
def test_create_only_is_refused_at_servers_that_ignore_it(
    row: Candidate, streamed: bool, rclone: Target, opened: Opener
) -> None:
    """``rclone serve s3`` would overwrite without a word."""
    key = f"probed/{row.name}-{streamed}/key"
    plain = opened(row, rclone.endpoint)
    plain.put(key, b"what is there", INFO)
    store = opened(row, replace(rclone.endpoint, create_only=True))
    for _ in range(2):
        with pytest.raises(StoreError, match="ignores If-None-Match") as caught:
            store.put_stream(key, iter(STREAM), INFO) if streamed else store.put(key, BODY, INFO)
        assert caught.value.kind is StoreErrorKind.CONFIG
    assert read(plain, key) == b"what is there"
    listed = client_of(rclone.endpoint).list_objects_v2(Bucket=rclone.endpoint.bucket, Prefix=key.rpartition("/")[0])
    assert [entry["Key"] for entry in listed["Contents"]] == [key], "the probe is removed again"


@each_creating
def test_create_only_is_probed_once(row: Candidate, wire: Wire, opened: Opener) -> None:
    store = opened(row, wire.endpoint(create_only=True))
    for number in range(3):
        store.put(f"folder/{number}", BODY, INFO)
    puts = [request.key for request in wire.requests if request.method == "PUT"]
    assert len(puts) == 2 + 3
    assert {key.rpartition("-")[0] for key in puts[:2]} == {"folder/.packhorse-create-only"}
    assert set(wire.objects.ledger().objects) == {f"folder/{number}" for number in range(3)}


@each_creating
def test_a_probe_that_may_not_be_removed_stays_empty(row: Candidate, wire: Wire, opened: Opener) -> None:
    wire.refuse = lambda request: error(403, "AccessDenied") if request.method == "DELETE" else None
    opened(row, wire.endpoint(create_only=True)).put("key", BODY, INFO)
    probe, key = sorted(wire.objects.ledger().objects.values(), key=lambda stored: stored.size_bytes)
    assert (probe.size_bytes, key.size_bytes) == (0, len(BODY))
