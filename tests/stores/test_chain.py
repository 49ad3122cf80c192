"""The standard AWS chain: every client goes where boto3 would, as whom boto3 would, or refuses by name."""

from __future__ import annotations

import http.server
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.config
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import BotoCoreError

from benches.clients import make_store
from benches.studies.fault_server.answers import Answer, xml
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stages.base import Candidate
from packhorse.stores import aws, botocore_chain
from packhorse.stores.aws import Settings, aws_url, from_environment, resolve
from packhorse.stores.base import Credentials, Endpoint, ObjectInfo
from packhorse.stores.botocore_http import Bytes
from packhorse.stores.obstore_client import Clients
from tests.stores.conftest import NETWORK_ROWS, ROWS, Opener
from tests.stores.wire import Wire

INFO = ObjectInfo()
each_store = pytest.mark.parametrize("row", NETWORK_ROWS, ids=lambda row: row.name)
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "secret-of-env"}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def write(text: str, **variables: str) -> None:
        (tmp_path / "config").write_text(text)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return write


def signed_as(wire: Wire) -> set[tuple[str, str]]:
    """Access key and region of each signed request."""
    scopes = [r.headers["authorization"].partition("Credential=")[2].split("/") for r in wire.requests]
    return {(scope[0], scope[2]) for scope in scopes}


def url_of(wire: Wire) -> str:
    return f"http://127.0.0.1:{wire.server_port}"


def put(opened: Opener, row: Candidate, **given: Any) -> None:
    opened(row, Endpoint("bucket", read_timeout_s=30, **given)).put("key", b"body", INFO)


@each_store
@pytest.mark.parametrize("place", ["profile", "services", "environment", "region alone"])
def test_the_configuration_file_says_where_to_go(
    row: Candidate, place: str, wire: Wire, opened: Opener, config: Any
) -> None:
    url = url_of(wire)
    text = {
        "profile": f"[default]\nregion = eu-west-1\nendpoint_url = {url}\n",
        "services": f"[default]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:1\nservices = mine\n"
        f"[services mine]\ns3 =\n  endpoint_url = {url}\n",
        "environment": "[default]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:1\n",
        "region alone": "[default]\nregion = eu-west-1\n",
    }[place]
    config(text, **KEYS, **({"AWS_ENDPOINT_URL_S3": url} if place in {"environment", "region alone"} else {}))
    put(opened, row)
    assert signed_as(wire) == {("AKIAENV", "eu-west-1")}


@each_store
def test_configured_endpoints_can_be_ignored(row: Candidate, wire: Wire, opened: Opener, config: Any) -> None:
    config(f"[default]\nregion = eu-west-1\nendpoint_url = {url_of(wire)}\n", **KEYS)
    config(
        f"[default]\nregion = eu-west-1\nendpoint_url = {url_of(wire)}\n", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true"
    )
    assert resolve(Endpoint("bucket")).endpoint.url is None
    put(opened, row, url=url_of(wire))


@each_store
def test_a_profile_has_keys_and_a_region(
    row: Candidate, wire: Wire, opened: Opener, config: Any, tmp_path: Path
) -> None:
    (tmp_path / "credentials").write_text("[mine]\naws_access_key_id = AKIAMINE\naws_secret_access_key = s\n")
    config(f"[profile mine]\nregion = ap-south-1\nendpoint_url = {url_of(wire)}\n", AWS_PROFILE="mine")
    put(opened, row)
    assert signed_as(wire) == {("AKIAMINE", "ap-south-1")}


@each_store
def test_a_process_gives_credentials(row: Candidate, wire: Wire, opened: Opener, config: Any, tmp_path: Path) -> None:
    script = tmp_path / "give.py"
    given = {"Version": 1, "AccessKeyId": "AKIAPROC", "SecretAccessKey": "s", "SessionToken": "t"}
    script.write_text(f"print({json.dumps(given)!r})")
    config(
        f"[default]\nregion = eu-west-1\nendpoint_url = {url_of(wire)}\n"
        f"credential_process = {sys.executable} {script}\n"
    )
    put(opened, row)
    assert signed_as(wire) == {("AKIAPROC", "eu-west-1")}


@contextmanager
def container(status: int = 200) -> Iterator[tuple[str, list[str | None]]]:
    """A container's credentials service; what it was shown as authorization."""
    shown: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers["Authorization"])
            keys = {
                "AccessKeyId": "AKIACONT",
                "SecretAccessKey": "s",
                "Token": "t",
                "Expiration": "2099-01-01T00:00:00Z",
            }
            body = json.dumps(keys).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v2/credentials", shown
        finally:
            server.shutdown()
            thread.join()


@each_store
@pytest.mark.parametrize("token", ["none", "text", "file"])
def test_a_container_gives_credentials(
    row: Candidate, token: str, wire: Wire, opened: Opener, config: Any, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("of-the-file")
    variables = {
        "none": {},
        "text": {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "of-the-text"},
        "file": {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token")},
    }[token]
    with container() as (url, shown):
        config("", AWS_CONTAINER_CREDENTIALS_FULL_URI=url, AWS_ENDPOINT_URL_S3=url_of(wire), **variables)
        put(opened, row)
    assert signed_as(wire) == {("AKIACONT", "us-east-1")}
    assert set(shown) == {{"none": None, "text": "of-the-text", "file": "of-the-file"}[token]}


@each_store
def test_a_container_that_refuses_does_not_end_with_another_identity(
    row: Candidate, wire: Wire, opened: Opener, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the service of an instance would answer, its role must not sign."""
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    with container() as (instance, asked), container(500) as (url, _):
        config(
            "",
            AWS_CONTAINER_CREDENTIALS_FULL_URI=url,
            AWS_ENDPOINT_URL_S3=url_of(wire),
            AWS_EC2_METADATA_SERVICE_ENDPOINT=instance,
        )
        with pytest.raises(StoreError) as caught:
            put(opened, row)
    assert caught.value.kind is StoreErrorKind.CONFIG
    assert wire.requests == []
    assert asked == []


@each_store
@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "FIPS"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "dual-stack"),
        ({"AWS_CA_BUNDLE": "/no/such/bundle.pem"}, "AWS_CA_BUNDLE"),
        ({"AWS_ENDPOINT": "http://127.0.0.1:1"}, "AWS_ENDPOINT_URL_S3"),
        ({"AWS_PROFILE": "not-there"}, "AWS_PROFILE"),
        ({"HTTPS_PROXY": "http://proxy:notaport"}, "proxy"),
    ],
    ids=["fips", "dual stack", "ca", "endpoint", "profile", "proxy"],
)
def test_what_cannot_be_done_is_refused_by_name(
    row: Candidate, variables: dict[str, str], told: str, opened: Opener, config: Any
) -> None:
    config("", **KEYS, **variables)
    with pytest.raises(StoreError, match=told) as caught:
        put(opened, row)
    assert caught.value.kind is StoreErrorKind.CONFIG


@pytest.mark.parametrize("row", [r for r in ROWS if r.name in {"obstore", "obstore-async", "boto3-crt"}], ids=str)
def test_directory_buckets_are_refused_by_clients_that_cannot(row: Candidate, opened: Opener, config: Any) -> None:
    config("", **KEYS, AWS_REGION="us-west-2")
    with pytest.raises(StoreError, match="directory buckets") as caught:
        opened(row, Endpoint("mine--usw2-az1--x-s3")).put("key", b"", INFO)
    assert caught.value.kind is StoreErrorKind.CONFIG


REGIONS = ("us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1")


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("bucket", ["bucket", "with.dots"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"fips": True}, {"dual_stack": True}, {"fips": True, "dual_stack": True}],
    ids=["plain", "fips", "dual", "both"],
)
def test_our_urls_of_aws_are_botocores(region: str, bucket: str, settings: dict[str, Any]) -> None:
    """obstore is given its URL; botocore makes it from its own rules."""
    chosen = botocore.config.Config(
        use_fips_endpoint=settings.get("fips", False),
        use_dualstack_endpoint=settings.get("dual_stack", False),
    )
    sdk = botocore.session.Session().create_client(
        "s3", region_name=region, aws_access_key_id="a", aws_secret_access_key="b", config=chosen
    )
    asked: list[str] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        asked.append(request.url)
        return AWSResponse(request.url, 200, {}, Bytes(b""))

    sdk.meta.events.register("before-send.s3", answer)
    try:
        sdk.put_object(Bucket=bucket, Key="key", Body=b"")
    except BotoCoreError as error:  # a partition that has no such endpoints
        pytest.skip(f"botocore: {type(error).__name__}")
    theirs = urlsplit(asked[0])
    ours = urlsplit(aws_url(Endpoint(bucket, region=region), Settings(**settings)))
    host = theirs.netloc
    if region == "us-east-1" and not settings:
        host = host.replace("s3.amazonaws.com", "s3.us-east-1.amazonaws.com")  # its old name
    assert ours.netloc == host


ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"AWS_DEFAULT_REGION": "eu-west-3"},
    {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-3"},
    {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
    {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:2"},
    {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:2", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    {"AWS_USE_FIPS_ENDPOINT": "true"},
    {"AWS_USE_DUALSTACK_ENDPOINT": "TRUE"},
    {"AWS_USE_DUALSTACK_ENDPOINT": "false"},
    {"AWS_SESSION_TOKEN": "token"},
    {"AWS_SECURITY_TOKEN": "old-token"},
]


@pytest.mark.parametrize("variables", ENVIRONMENTS, ids=" ".join)
def test_ours_reads_the_environment_as_botocore_does(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**KEYS, **variables}.items():
        monkeypatch.setenv(name, value)
    session = botocore.session.Session()
    assert from_environment() == Settings(**botocore_chain.settings_of(session))
    theirs = session.get_credentials().get_frozen_credentials()
    ours = aws._with_keys_of_environment(Endpoint("bucket"))
    assert (ours.access_key, ours.secret_key, ours.session_token) == tuple(theirs)[:3]


def test_botocore_is_loaded_only_where_it_has_something_to_say(
    config: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def loaded(_: Endpoint) -> Any:
        raise AssertionError("botocore was loaded")

    monkeypatch.setattr(aws, "_chain", loaded)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    assert resolve(Endpoint("bucket")).endpoint.access_key == "AKIAENV"
    given = Credentials("a", "b")
    assert resolve(Endpoint("bucket", credentials=lambda: given)).source is not None
    (tmp_path / "config").write_text("[default]\n")
    with pytest.raises(AssertionError):
        resolve(Endpoint("bucket"))
    assert resolve(Endpoint("bucket", "http://127.0.0.1:1", "us-east-1", "a", "b")).source is None
    (tmp_path / "config").unlink()
    monkeypatch.setenv("AWS_PROFILE", "mine")
    with pytest.raises(AssertionError):
        resolve(Endpoint("bucket"))


def test_without_boto3_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packhorse.stores.botocore_chain", None)
    import packhorse.stores

    monkeypatch.delattr(packhorse.stores, "botocore_chain", raising=False)
    with pytest.raises(StoreError, match="pip install boto3") as caught:
        resolve(Endpoint("bucket"))
    assert caught.value.kind is StoreErrorKind.CONFIG


@each_store
@pytest.mark.parametrize("how", ["301", "400", "301 by body"])
def test_a_wrong_region_is_one_attempt_and_names_the_right_one(
    row: Candidate, how: str, wire: Wire, opened: Opener
) -> None:
    status, code = (400, "AuthorizationHeaderMalformed") if how == "400" else (301, "PermanentRedirect")
    members = {"Region": "eu-west-1"} if how == "400" else {"Endpoint": "bucket.s3.eu-west-1.amazonaws.com"}
    headers = {} if how == "301 by body" else {"x-amz-bucket-region": "eu-west-1"}
    wire.refuse = lambda request: Answer(
        status, headers, b"" if request.method == "HEAD" else xml("Error", Code=code, Message="m", **members)
    )
    with pytest.raises(StoreError) as caught:
        opened(row, wire.endpoint()).put("key", b"body", INFO)
    assert caught.value.kind is StoreErrorKind.CONFIG
    assert not caught.value.retryable
    if not (how == "301 by body" and row.name.startswith("obstore")):  # which shows no body of a redirect
        assert "set the region to eu-west-1" in str(caught.value)
    assert sum(request.method == "PUT" for request in wire.requests) == 1


@each_store
def test_no_credential_is_in_a_repr_or_our_logs(
    row: Candidate, wire: Wire, opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = ("wire-secret", "url-password", "X-Amz-Signature=abc")
    url = "http://user:url-password@127.0.0.1:1/?X-Amz-Signature=abc"
    shown = repr(Endpoint("bucket", url, access_key="a", secret_key="wire-secret"))
    assert "127.0.0.1:1" in shown
    with caplog.at_level(logging.DEBUG, "packhorse"):
        store = opened(row, wire.endpoint())
        store.put("key", b"body", INFO)
        shown += repr(store) + str(vars(store)) + repr(resolve(wire.endpoint()))
    shown += "".join(record.getMessage() for record in caplog.records if record.name.startswith("packhorse"))
    assert not [secret for secret in secrets if secret in shown]


def test_obstore_reads_nothing_else_from_the_environment(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_CONDITIONAL_PUT": "disabled",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_UNSIGNED_PAYLOAD": "true",
        "AWS_S3_EXPRESS": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_ALLOW_INVALID_CERTIFICATES": "true",
    }.items():
        monkeypatch.setenv(name, value)
    row = next(row for row in ROWS if row.name == "obstore")
    store = make_store(row, wire.endpoint(create_only=True))
    store.put("key", b"body", INFO)
    store.close()
    assert all(r.headers["authorization"].startswith("AWS4-HMAC-SHA256") for r in wire.requests)
    assert all(r.headers["x-amz-content-sha256"] != "UNSIGNED-PAYLOAD" for r in wire.requests)
    assert {r.headers.get("if-none-match") for r in wire.requests if r.method == "PUT"} == {"*"}
    options: Any = Clients(wire.endpoint()).of(0, 1)
    assert str(options.client_options["allow_invalid_certificates"]).lower() == "false"
    assert os.environ["AWS_CONDITIONAL_PUT"] == "disabled"
