"""The synthetic generator: the same bytes everywhere, entries one at a time, sizes as asked for, valid HAR."""

from __future__ import annotations

import base64
import json
import tracemalloc
from hashlib import sha256
from itertools import islice
from typing import Any

import pytest

from packhorse.captures.synth import KINDS, sized, synthesize
from packhorse.errors import InputError

#: SHA-256 of the compact JSON; the same on every supported Python. A change of the generator changes them, and every
#: record made on synthetic captures with them: note it in the changelog.
GOLDENS = {
    ("browser", 60, 1): "d1624acb78d84ba69cb39e237a516fbf6f4fa22a1ae47f0aef6d58159d38a01a",
    ("browser", 25, 20260101): "31b00002059d5a7812b58195b35d21ffde4f4b272a6077028ce8e9bb1beba994",
    ("headers", 150, 2): "681bafa2739817ca1e30cb875236d099a927d1e5d58c196bac545445526ff6c7",
    ("api", 120, 3): "906d583932f4c482366400fb0929123823d5e98544348bca53d19c0dacaec17e",
    ("llm", 200, 4): "3356a3e6331f35809a58b1021d53ba4d3b08579277b0b677918738c12465f93e",
}
SIZED_GOLDENS = {
    ("browser", 300_000, 5): "22dd81b78e3f2778762d7f979d6e88f516557e86bf78214a405e094af2ea5380",
    ("api", 100_000, 6): "0b2642d4f0d09fb912e59fd5099164942f241e659518928c6b340852c2d78ca9",
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
