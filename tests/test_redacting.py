"""``packhorse redact``: what would go from files, and stored captures replaced in their place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packhorse import wire
from packhorse.bench.lab.targets import Target, start_target
from packhorse.cli import run
from packhorse.errors import StoreError, StoreErrorKind
from packhorse.fetching import fetch
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.redact import Redactor, load_rules
from packhorse.replacing import Outcome, StoredCaptures
from packhorse.stores.botocore_client import BotocoreClient
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader

pytestmark = pytest.mark.xdist_group("redacting")  # the servers, once

SECRET = "Kp4Vn9Xw2Ls7Td6Q"
CAPTURE: dict[str, Any] = {
    "log": {
        "version": "1.2",
        "entries": [
            {"request": {"url": "https://h/", "headers": [{"name": "Accept", "value": "*/*"}]}},
            {
                "request": {
                    "url": f"https://h/?token={SECRET}",
                    "headers": [{"name": "X-Api-Key", "value": SECRET}, {"name": "Cookie", "value": f"a={SECRET}"}],
                    "postData": {"mimeType": "application/json", "text": json.dumps({"password": SECRET})},
                },
                "_own": {"secret": 12345678901234567890123},
            },
        ],
    }
}
INNOCENT: dict[str, Any] = {"log": {"version": "1.2", "entries": [{"n": 1}]}}
PIPELINES = [
    "orjson-stream | zstd:1 | raw",
    "json-iterencode | zlib:6 | base64-stdlib",
    "ndjson-orjson | isal:1 | raw",
    "msgpack-msgspec | lz4 | raw",
    "msgspec | brotli:4 | raw",
]


def _file(folder: Path, capture: Any = CAPTURE) -> Path:
    file = folder / "a.har"
    file.write_text(json.dumps(capture), encoding="utf-8")
    return file


def test_a_dry_run_tells_rules_and_places_and_no_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["redact", str(_file(tmp_path))]) == 0
    out = capsys.readouterr().out
    assert "5 values would go" in out
    assert "$.log.entries[*].request.headers[*].value  (first: $.log.entries[1].request.headers[0].value)" in out
    assert SECRET not in out
    assert [file.name for file in tmp_path.iterdir()] == ["a.har"]


def test_json_has_a_line_for_each_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = _file(tmp_path)
    assert run(["redact", "--json", str(file)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(row["rule"], row["place"]) for row in rows} == {
        ("query", "$.log.entries[1].request.url"),
        ("header", "$.log.entries[1].request.headers[0].value"),
        ("header", "$.log.entries[1].request.headers[1].value"),
        ("key", "$.log.entries[1].request.postData.text"),
        ("key", "$.log.entries[1].*.*"),
    }
    assert {row["file"] for row in rows} == {str(file)}


def test_the_copy_appears_whole_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, copy = _file(tmp_path), tmp_path / "b.har"
    assert run(["redact", str(file), "-o", str(copy)]) == 0
    new = json.loads(copy.read_text("utf-8"))
    assert SECRET not in str(new)
    assert new["log"]["entries"][0] == CAPTURE["log"]["entries"][0]
    assert json.loads(file.read_text("utf-8")) == CAPTURE
    copy.write_text("as it was", encoding="utf-8")
    file.write_text('{"log": {"entries": [1, ', encoding="utf-8")
    assert run(["redact", str(file), "-o", str(copy)]) == 2
    assert copy.read_text("utf-8") == "as it was"
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.parametrize(
    "arguments",
    [["s3://b/p", "a.har"], ["s3://b/p", "-o", "x"], ["a.har", "--apply"], ["a.har", "b.har", "-o", "x"], ["none.har"]],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["redact", *arguments]) == 2
    assert capsys.readouterr().err.startswith("packhorse: ")


def test_own_rules_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[regex]]\nname = "staff"\npattern = "EMP-[0-9]{6}"\n', encoding="utf-8")
    file = _file(tmp_path, {"log": {"entries": [{"note": "by EMP-123456"}]}})
    assert run(["redact", "--json", "--redact-rules", str(rules), str(file)]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["rule"], row["place"], row["count"]) == ("regex:staff", "$.log.entries[0]", 1)
    assert load_rules(rules).regex


@pytest.fixture(
    scope="module",
    params=["moto", "rclone", pytest.param("seaweedfs", marks=[pytest.mark.programs("weed"), pytest.mark.long])],
)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    with start_target(request.param) as running:
        yield running


def _upload(target: Target, prefix: str, capture: Any, text: str = PIPELINES[0]) -> str:
    profile = Profile("p", Pipeline.parse(f"{text} | boto3:pool=2"), 2)
    options = UploaderOptions(endpoint=target.endpoint, plain_sha256=True)
    with Uploader(
        f"s3://{target.endpoint.bucket}/{prefix}", profile=profile, redact=False, options=options
    ) as uploader:
        ticket = uploader.submit(capture)
        ticket.result(30)
    return ticket.url.removeprefix(f"s3://{target.endpoint.bucket}/")


def _stored(target: Target, prefix: str) -> StoredCaptures:
    return StoredCaptures(f"s3://{target.endpoint.bucket}/{prefix}", Redactor(key=b"k"), endpoint=target.endpoint)


def _keys(target: Target, prefix: str) -> set[str]:
    client = BotocoreClient(target.endpoint, 1)
    found = client.call("listing", "", "list_objects_v2", Bucket=target.endpoint.bucket, Prefix=prefix)
    client.close()
    return {row["Key"] for row in found.get("Contents", ())}


@pytest.mark.parametrize("text", PIPELINES)
def test_stored_captures_are_replaced_in_their_format(target: Target, text: str) -> None:
    prefix = f"replaced/{PIPELINES.index(text)}"
    key, innocent = _upload(target, prefix, CAPTURE, text), _upload(target, prefix, INNOCENT, text)
    client = BotocoreClient(target.endpoint, 1)

    def head(name: str) -> Any:
        return client.call("looking at", name, "head_object", Bucket=target.endpoint.bucket, Key=name)

    client.call("put", "x", "put_object", Bucket=target.endpoint.bucket, Key=f"{prefix}/foreign", Body=b"hello")
    before = head(key)
    with _stored(target, prefix) as stored:
        outcomes = {one.key: one for one in stored.each(apply=False)}
    assert outcomes[key].outcome is Outcome.WOULD_REPLACE
    assert outcomes[innocent].outcome is Outcome.UNCHANGED
    assert outcomes[f"{prefix}/foreign"].outcome is Outcome.FOREIGN
    assert head(key)["ETag"] == before["ETag"]
    with _stored(target, prefix) as stored:
        done = {one.key: one.outcome for one in stored.each(apply=True)}
    assert done[key] is Outcome.REPLACED
    assert done[innocent] is Outcome.UNCHANGED
    after = head(key)
    changed = {wire.META_PLAIN_BYTES, wire.META_PLAIN_CRC32, wire.META_PLAIN_SHA256}
    assert {k.lower() for k, v in after["Metadata"].items() if v != before["Metadata"][k]} == changed
    assert after.get("ContentEncoding") == before.get("ContentEncoding")
    assert after["ContentType"] == before["ContentType"]
    new = fetch(f"s3://{target.endpoint.bucket}/{key}", endpoint=target.endpoint)
    assert SECRET not in str(new)
    assert new["log"]["entries"][0] == CAPTURE["log"]["entries"][0]
    assert _keys(target, prefix) == {key, innocent, f"{prefix}/foreign"}
    with _stored(target, prefix) as stored:
        assert all(one.outcome in (Outcome.UNCHANGED, Outcome.FOREIGN) for one in stored.each(apply=True))
    client.close()


@pytest.mark.parametrize("failing", [1, 2])
def test_a_capture_is_never_missing(target: Target, failing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = f"missing/{failing}"
    key = _upload(target, prefix, CAPTURE)
    real, puts = BotocoreClient.call, 0

    def call(self: BotocoreClient, action: str, name: str, operation: str, **arguments: Any) -> Any:
        nonlocal puts
        puts += operation == "put_object"
        if operation == "put_object" and puts == failing:
            raise StoreError("no", kind=StoreErrorKind.TIMEOUT)
        return real(self, action, name, operation, **arguments)

    monkeypatch.setattr(BotocoreClient, "call", call)
    with _stored(target, prefix) as stored:
        (one,) = stored.each(apply=True)
    assert (one.outcome, one.reason) == (Outcome.FAILED, "no")
    assert _keys(target, prefix) == {key}
    assert fetch(f"s3://{target.endpoint.bucket}/{key}", endpoint=target.endpoint) == CAPTURE


def test_what_another_writes_meanwhile_stays(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    key = _upload(target, "meanwhile", CAPTURE)
    real, puts = BotocoreClient.call, 0

    def call(self: BotocoreClient, action: str, name: str, operation: str, **arguments: Any) -> Any:
        nonlocal puts
        answer = real(self, action, name, operation, **arguments)
        puts += operation == "put_object"
        if operation == "put_object" and puts == 1:
            real(self, action, key, operation, Bucket=target.endpoint.bucket, Key=key, Body=b"another's")
        return answer

    monkeypatch.setattr(BotocoreClient, "call", call)
    with _stored(target, "meanwhile") as stored:
        (one,) = stored.each(apply=True)
        assert one.outcome is Outcome.FAILED
        assert "it stays as it is" in one.reason
        left = real(stored._client, "get", key, "get_object", Bucket=target.endpoint.bucket, Key=key)["Body"].read()
    assert left == b"another's"
    assert _keys(target, "meanwhile") == {key}


def test_the_command_replaces_only_when_told(
    target: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = _upload(target, "command", CAPTURE)
    endpoint = target.endpoint
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", endpoint.access_key or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", endpoint.secret_key or "")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    command = ["redact", f"s3://{endpoint.bucket}/command", "--endpoint-url", endpoint.url or ""]
    assert run(command) == 0
    shown = capsys.readouterr()
    assert f"{key}: would be replaced (" in shown.out
    assert "--apply" in shown.err
    assert run([*command, "--apply", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "replaced"
    assert run(command) == 0
    assert "1 object unchanged" in capsys.readouterr().err
