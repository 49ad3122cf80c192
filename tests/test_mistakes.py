"""The commonest mistakes at the command line: one line that says what to do, at once."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from packhorse.cli import run
from packhorse.errors import did_you_mean


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base calls it
        pass


@contextmanager
def _plain_server() -> Iterator[int]:
    """The port of a server that speaks HTTP without TLS."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


MISTAKES = [
    (["uplaod", "my.har"], ["'uplaod'", "'upload'"]),
    (["synth", "--entires", "3", "-o", "x.har"], ["'--entries'"]),
    (["race", "--pipeline", "orjson-strem | isal:1 | raw | obstore"], ["did you mean 'orjson-stream'?"]),
    (["race", "--pipeline", "gzip | orjson | raw | obstore"], ["gzip is a candidate of the stage compress"]),
    (["race", "--target", "rclon"], ["did you mean 'rclone'?"]),
    (["race", "--link", "same-regoin"], ["did you mean 'same-region'?"]),
    (["race", "--objective", "thruput"], ["throughput"]),
    (["race", "no-such.har"], ["no-such.har", "no such file"]),
    (["study", "polls"], ["did you mean 'pools'?"]),
    (["upload", "my.har"], ["the address comes last"]),
    (["upload", "s3://bucket/x"], ["name a capture before the address"]),
    (["upload", "s3://bucket/x", "my.har"], ["the address comes last"]),
    (["upload", "."], ["the address comes last"]),
    (["upload", "my.har", "s3://bucket/x", "--profile", "defualt"], ["did you mean 'default'?"]),
    (["fetch", "s3://bucket"], ["names a bucket, not an object"]),
    (["fetch"], ["s3://bucket/key"]),
    (["judge"], ["DIR"]),
    (["publish", "no-such-dir"], ["no-such-dir", "give the folder of a race"]),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=lambda value: " ".join(value)[:40])
def test_a_mistake_is_answered_with_what_to_do(
    arguments: list[str],
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.har").write_text('{"log": {"version": "1.2", "entries": [{"n": 1}]}}', encoding="utf-8")
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("packhorse: ") == 1
    assert len(error.strip().splitlines()[-1]) < 300
    for words in said:
        assert words in error


def test_nothing_is_suggested_for_what_is_like_nothing() -> None:
    assert did_you_mean("zzz", ["rclone", "moto"]) == ""


@pytest.mark.parametrize("case", ["dns", "refused", "plain"])
def test_what_keeps_an_answer_from_coming_is_said_at_once(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By nothing sent: the uploader, which would wait for the end of an outage, is never made."""
    monkeypatch.setattr("packhorse.cli.objects.Uploader", None)
    file = tmp_path / "my.har"
    file.write_text("{}", encoding="utf-8")
    with _plain_server() as port, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url, said = {
            "dns": ("http://no-such-host.invalid:9000", "does not resolve"),
            "refused": (f"http://127.0.0.1:{unused.getsockname()[1]}", "refuses connections"),
            "plain": (f"https://127.0.0.1:{port}", "does not speak TLS"),
        }[case]
        assert run(["upload", str(file), "s3://bucket/x", "--endpoint-url", url]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "nothing was uploaded" in error
    assert len(error.strip().splitlines()) == 1
