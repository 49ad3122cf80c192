"""Credentials that are renewed: in time, and when S3 calls them expired."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.credentials
import botocore.session
import pytest

from benches.studies.fault_server import Fault, FaultScript, FaultyS3
from benches.studies.fault_server.answers import error
from benches.studies.fault_server.objects import Request
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stages.base import Candidate
from packhorse.stores import credentials as renewal
from packhorse.stores.base import DEFAULT_PART_BYTES, Credentials, ObjectInfo
from packhorse.stores.credentials import Renewing
from tests.stores.conftest import NETWORK_ROWS, ROWS, Opener
from tests.stores.wire import Wire

INFO = ObjectInfo()
#: The AWS Common Runtime signs and sends by itself, so that nothing can be repeated.
REPEATING = [row for row in NETWORK_ROWS if row.name != "boto3-crt"]
each_repeating = pytest.mark.parametrize("row", REPEATING, ids=lambda row: row.name)
each_store = pytest.mark.parametrize("row", NETWORK_ROWS, ids=lambda row: row.name)


class Issuer:
    """Gives out credentials with a new session token each time: a stand-in for STS."""

    def __init__(self, life_s: float | None = 3600.0, *, same: bool = False) -> None:
        self.given = 0
        self.life_s = life_s
        self.same = same
        self.at_once = 0
        self._lock = threading.Lock()

    def __call__(self) -> Credentials:
        assert self._lock.acquire(blocking=False), "asked twice at once"
        try:
            self.given += 1
            number = 1 if self.same else self.given
            ends = None if self.life_s is None else datetime.now(UTC) + timedelta(seconds=self.life_s)
            return Credentials(f"key-{number}", "secret", f"token-{number}", None if self.same else ends)
        finally:
            self._lock.release()


def only(token: str) -> Any:
    """S3 that takes one session token and calls every other one expired."""

    def refuse(request: Request) -> Any:
        return None if request.headers.get("x-amz-security-token") == token else error(400, "ExpiredToken")

    return refuse


def tokens(wire: Wire) -> list[str]:
    return [request.headers["x-amz-security-token"] for request in wire.requests]


@each_store
def test_given_credentials_sign(row: Candidate, wire: Wire, opened: Opener) -> None:
    issuer = Issuer()
    store = opened(row, wire.endpoint(credentials=issuer))
    for number in range(5):
        store.put(f"key-{number}", b"x", INFO)
    assert tokens(wire) == ["token-1"] * 5
    assert issuer.given == 1


@each_repeating
def test_expired_credentials_are_renewed_once_and_the_request_repeated(
    row: Candidate, faulty: FaultyS3, opened: Opener
) -> None:
    faulty.play(FaultScript((Fault("expired-token", times=1),)))
    issuer = Issuer()
    endpoint = replace(faulty.endpoint(), access_key=None, secret_key=None, credentials=issuer)
    assert opened(row, endpoint).put("a", b"body", INFO).bytes_sent == 4
    assert issuer.given == 2
    assert faulty.report().requests["put"] == 2
    assert faulty.ledger().objects["a"].times == 1


@each_repeating
def test_the_repetition_has_the_new_credentials(row: Candidate, wire: Wire, opened: Opener) -> None:
    store = opened(row, wire.endpoint(credentials=Issuer()))
    wire.refuse = only("token-2")
    store.put("a", b"body", INFO)
    store.put("b", b"body", INFO)
    assert tokens(wire) == ["token-1", "token-2", "token-2"]


@pytest.mark.parametrize(
    "row", [row for row in REPEATING if not row.name.startswith("obstore")], ids=lambda row: row.name
)
def test_parts_are_repeated_too(row: Candidate, wire: Wire, opened: Opener) -> None:
    chunks = [bytes([number]) * DEFAULT_PART_BYTES for number in range(3)]
    refused = only("token-2")
    store = opened(row, wire.endpoint(credentials=Issuer()))
    wire.refuse = lambda request: refused(request) if request.operation == "part" else None
    store.put_stream("a", iter(chunks), INFO)
    assert wire.objects.ledger().objects["a"].size_bytes == sum(map(len, chunks))
    assert set(tokens(wire)) == {"token-1", "token-2"}


@each_repeating
def test_many_at_once_share_one_renewal(row: Candidate, wire: Wire, opened: Opener) -> None:
    issuer = Issuer()
    store = opened(row, wire.endpoint(credentials=issuer))
    store.put("first", b"x", INFO)
    wire.refuse = only("token-2")
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda number: store.put(f"key-{number}", b"x", INFO), range(64)))
    assert issuer.given == 2


@each_repeating
def test_credentials_that_stay_the_same_are_not_tried_again(row: Candidate, faulty: FaultyS3, opened: Opener) -> None:
    faulty.play(FaultScript((Fault("expired-token"),)))
    endpoint = replace(faulty.endpoint(), access_key=None, secret_key=None, credentials=Issuer(same=True))
    with pytest.raises(StoreError) as caught:
        opened(row, endpoint).put("a", b"body", INFO)
    assert caught.value.kind is StoreErrorKind.DENIED
    assert "expired" in str(caught.value)
    assert faulty.report().requests["put"] == 1


@each_repeating
def test_new_ones_that_are_refused_too_end_it(row: Candidate, faulty: FaultyS3, opened: Opener) -> None:
    faulty.play(FaultScript((Fault("expired-token"),)))
    issuer = Issuer()
    endpoint = replace(faulty.endpoint(), access_key=None, secret_key=None, credentials=issuer)
    with pytest.raises(StoreError) as caught:
        opened(row, endpoint).put("a", b"body", INFO)
    assert caught.value.kind is StoreErrorKind.DENIED
    assert not caught.value.retryable
    assert (issuer.given, faulty.report().requests["put"]) == (2, 2)


@each_store
def test_fixed_credentials_are_refused_at_once(row: Candidate, faulty: FaultyS3, opened: Opener) -> None:
    faulty.play(FaultScript((Fault("expired-token"),)))
    with pytest.raises(StoreError) as caught:
        opened(row, faulty.endpoint()).put("a", b"body", INFO)
    if row.name != "boto3-crt":  # which shows a status alone
        assert caught.value.kind is StoreErrorKind.DENIED
        assert "Endpoint.credentials" in str(caught.value)
    assert faulty.report().requests["put"] == 1


@each_repeating
def test_a_provider_that_fails_is_named_without_its_words(row: Candidate, wire: Wire, opened: Opener) -> None:
    def broken() -> Credentials:
        raise RuntimeError("secret-of-the-provider")

    with pytest.raises(StoreError) as caught:
        opened(row, wire.endpoint(credentials=broken)).put("a", b"x", INFO)
    assert caught.value.kind is StoreErrorKind.CONFIG
    assert "secret-of-the-provider" not in str(caught.value)
    assert "provider" in str(caught.value)
    assert wire.requests == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in {"boto3", "obstore"}], ids=lambda row: row.name)
def test_credentials_of_botocores_chain_are_renewed_when_refused(
    row: Candidate, wire: Wire, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role's credentials: botocore's own RefreshableCredentials, which botocore alone would use to their end."""
    given: list[dict[str, str]] = []

    def fetch() -> dict[str, str]:
        ends = (datetime.now(UTC) + timedelta(hours=6)).isoformat()
        number = str(len(given) + 1)
        given.append({"access_key": "key", "secret_key": "secret", "token": f"token-{number}", "expiry_time": ends})
        return given[-1]

    made = botocore.credentials.RefreshableCredentials.create_from_metadata(fetch(), fetch, "assume-role")
    monkeypatch.setattr(botocore.session.Session, "get_credentials", lambda _: made)
    store = opened(row, replace(wire.endpoint(), access_key=None, secret_key=None))
    wire.refuse = only("token-2")
    store.put("a", b"body", INFO)
    assert tokens(wire) == ["token-1", "token-2"]


# --- the source alone -------------------------------------------------------------------------------------------------


def test_renewed_before_their_end() -> None:
    issuer = Issuer(life_s=renewal.RENEW_BEFORE_S + 100)
    source = Renewing(issuer, "bucket")
    assert source.current() is source.current()
    short = Issuer(life_s=renewal.RENEW_BEFORE_S - 100)
    source = Renewing(short, "bucket")
    assert [source.current().session_token, source.current().session_token] == ["token-1", "token-2"]
    assert source.current().session_token == "token-2", "not for every request"


def test_while_they_are_good_a_failing_provider_does_no_harm() -> None:
    answers: list[Any] = [Credentials("a", "b", None, datetime.now(UTC) + timedelta(seconds=60))]

    def provider() -> Credentials:
        answer: Credentials = answers.pop(0)  # IndexError from the second call on
        return answer

    source = Renewing(provider, "bucket")
    first = source.current()
    assert source.current() is first
    assert not source.renewed_since(0.0)


@pytest.mark.parametrize(
    "given",
    [
        None,
        ("a", "b"),
        Credentials("a", "b", None, datetime(2999, 1, 1)),
        Credentials("a", "b", None, datetime(1999, 1, 1, tzinfo=UTC)),
    ],
    ids=["nothing", "a pair", "no time zone", "expired"],
)
def test_what_a_provider_must_not_return(given: Any) -> None:
    with pytest.raises(StoreError, match="provider returned") as caught:
        Renewing(lambda: given, "bucket").current()
    assert caught.value.kind is StoreErrorKind.CONFIG


def test_credentials_are_not_shown() -> None:
    assert "secret" not in repr(Credentials("key-secret", "secret", "token-secret"))


@each_repeating
def test_a_provider_of_something_else_is_told_so(row: Candidate, wire: Wire, opened: Opener) -> None:
    with pytest.raises(StoreError, match=r"provider returned NoneType in place of .*Credentials") as caught:
        opened(row, wire.endpoint(credentials=lambda: None)).put("a", b"body", INFO)
    assert caught.value.kind is StoreErrorKind.CONFIG
