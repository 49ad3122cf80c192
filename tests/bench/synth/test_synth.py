"""The synthetic generator: the same bytes everywhere, entries one at a time, sizes as asked for, valid HAR."""

from __future__ import annotations

import base64
import json
import re
import tracemalloc
from hashlib import sha256
from itertools import islice
from typing import Any

import pytest

from packhorse.bench.synth import KINDS, sized, synthesize
from packhorse.errors import InputError

#: SHA-256 of the compact JSON; the same on every supported Python. A change of the generator changes them, and every
#: record made on synthetic captures with them: note it in the changelog.
GOLDENS = {
    ("browser", 60, 1): "18955121876869301cca71e5193e33449284bfffcc900b1c9164f8ab04299960",
    ("browser", 25, 20260101): "c43be75f93813f88f0b95aac2ee597ed563da98da599014352ada4dfe1062a30",
    ("headers", 150, 2): "5f773487e369f771af17cd53e12c9b6f7f01ce7b77b29c25ec49b25cf1f04b03",
    ("api", 120, 3): "621ecbe7a42f1790a4cda1810b3b043daf317d9d6113205963406ddf0c349e41",
    ("llm", 200, 4): "c40cdd44fcd5f27f63ce6438af086d3d76bcb8696fc5ac2641a21805a81a0a3e",
}
SIZED_GOLDENS = {
    ("browser", 300_000, 5): "1fb95cee9c3b7920e533da1b95a67b7380d363763df4f08c48a8bb56deca01e2",
    ("api", 100_000, 6): "71d84173c42e0e3f781137c0e34f34c26eea4bcdf1c0da358f4066d3abe15af9",
}


def compact(capture: Any) -> bytes:
    return json.dumps(capture, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(("key", "digest"), GOLDENS.items())
def test_bytes_are_the_same_on_every_python(key: tuple[str, int, int], digest: str) -> None:
    kind, entries, seed = key
    assert sha256(compact(synthesize(entries, seed, kind).materialize())).hexdigest() == digest


@pytest.mark.parametrize(("key", "digest"), SIZED_GOLDENS.items())
def test_sized_bytes_are_the_same_on_every_python(key: tuple[str, int, int], digest: str) -> None:
    kind, target, seed = key
    assert sha256(compact(sized(target, seed, kind).materialize())).hexdigest() == digest


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_and_kinds_differ(kind: str) -> None:
    made = {compact(synthesize(5, seed, kind).materialize()) for seed in range(10)}
    assert len(made) == 10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entries", [0, 1, 7, 130])
def test_as_many_entries_as_asked_for(kind: str, entries: int) -> None:
    assert len(synthesize(entries, 3, kind).materialize()["log"]["entries"]) == entries


def check_pairs(pairs: Any) -> None:
    for pair in pairs:
        assert isinstance(pair["name"], str)
        assert isinstance(pair["value"], str)


def check_content(content: dict[str, Any]) -> None:
    assert content["size"] >= 0
    assert "/" in content["mimeType"]
    if content.get("encoding") == "base64":
        base64.b64decode(content["text"], validate=True)
    if content["mimeType"].startswith("application/json") and "text" in content:
        assert json.loads(content["text"]) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_documents_are_har(kind: str) -> None:
    log = synthesize(200, 11, kind).materialize()["log"]
    assert log["version"] == "1.2"
    assert list(log)[-1] == "entries"
    pages = {page["id"] for page in log["pages"]}
    for entry in log["entries"]:
        assert entry.get("pageref") in (pages or {None})
        request, response = entry["request"], entry["response"]
        assert {"method", "url", "httpVersion", "headers", "queryString", "cookies", "headersSize"} <= set(request)
        assert {"status", "statusText", "headers", "cookies", "content", "redirectURL", "bodySize"} <= set(response)
        for pairs in (request["headers"], request["queryString"], request["cookies"], response["headers"]):
            check_pairs(pairs)
        check_content(response["content"])
        spent = sum(part for name, part in entry["timings"].items() if part > 0)
        assert entry["time"] == pytest.approx(spent)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", [20_000, 100_000, 1_000_000, 20_000_000])
def test_sized_captures_hit_their_size(kind: str, target: int) -> None:
    seeds = range(1) if target > 10**6 else range(8)
    for seed in seeds:
        size = len(compact(sized(target, seed, kind).materialize()))
        assert size == pytest.approx(target, rel=0.1), f"seed {seed}"


@pytest.mark.parametrize("kind", KINDS)
def test_entries_are_made_when_asked_for(kind: str) -> None:
    stream = synthesize(10**9 if kind != "browser" else 10**6, 1, kind)
    assert len(list(islice(stream.entries, 20))) == 20


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_flat(kind: str) -> None:
    """Peak memory of a long capture stays near that of a short one: what is kept is bounded."""
    entries = iter(sized(10**9, 1, kind).entries)
    tracemalloc.start()
    try:
        for _ in islice(entries, 200):
            pass
        early = tracemalloc.get_traced_memory()[1]
        for _ in islice(entries, 400):
            pass
        assert tracemalloc.get_traced_memory()[1] < early + 12_000_000
        assert early < 40_000_000
    finally:
        tracemalloc.stop()


def test_unusable_arguments_are_named() -> None:
    with pytest.raises(InputError, match="choose one of browser, headers, api, llm"):
        synthesize(3, 1, "mail")
    with pytest.raises(InputError, match="-1 entries"):
        synthesize(-1, 1)
    with pytest.raises(InputError, match="too small"):
        sized(100, 1)


def test_scripts_and_pages_have_words_that_redaction_must_look_at() -> None:
    """About as many as recorded ones: 11 a MB in scripts, 65 in pages. Over several seeds, as each has few idioms."""
    found, size = 0, 0
    for seed in range(6):
        text = compact(synthesize(120, seed, "browser").materialize())
        bodies = b"".join(
            re.findall(rb'"mimeType":"(?:application/(?:x-)?javascript|text/(?:javascript|html))[^}]*', text)
        )
        found += len(re.findall(rb"(?i)token|password|session|credential|signature", bodies))
        size += len(bodies)
    assert 5 < found / (size / 1e6) < 80
