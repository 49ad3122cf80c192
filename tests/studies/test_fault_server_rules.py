"""Fault scripts, the dice behind them, the lab's store, and the ledger's verdict: all without a server."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from typing import Any

import pytest

from benches.studies.fault_server.answers import REFUSALS
from benches.studies.fault_server.director import Director
from benches.studies.fault_server.ledger import Ledger, Stored
from benches.studies.fault_server.objects import Objects, Request
from benches.studies.fault_server.script import KINDS, Fault, FaultScript, Layer
from packhorse.errors import InputError
from packhorse.units import MIB

NEEDED: dict[str, dict[str, Any]] = {"slow-reading": {"rate_bytes_per_s": 1000.0}}


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_json(kind: str) -> None:
    plain = Fault(kind, **NEEDED.get(kind, {}))
    timed = Fault(kind, at_s=5, for_s=10, times=3, operations=("put", "part"), **NEEDED.get(kind, {}))
    script = FaultScript((plain, timed), seed=7)
    assert FaultScript.from_json(script.to_json()) == script
    assert KINDS[kind].about


def test_answers_are_known_for_exactly_the_kinds_that_are_answers() -> None:
    # The portal answers by a page of its own, which refuses nothing.
    assert {*REFUSALS, "portal"} == {kind for kind, row in KINDS.items() if row.layer is Layer.ANSWER}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kind": "earthquake"}, "'earthquake' is unknown; there are: dns, refuse"),
        ({"kind": "503", "probability": 1.5}, "probability is 1.5"),
        ({"kind": "503", "delay_s": 2.0}, "delay_s means nothing for it"),
        ({"kind": "stall", "retry_after_s": 2.0}, "retry_after_s means nothing for it"),
        ({"kind": "503", "for_s": -1.0}, "for_s is -1.0"),
        ({"kind": "503", "operations": ("delete",)}, "operation 'delete' is unknown"),
        ({"kind": "refuse", "probability": 0.5}, "its probability is 1"),
        ({"kind": "slow-reading"}, "needs rate_bytes_per_s"),
        ({"kind": "slow-reading", "rate_bytes_per_s": 0.0}, "must be above 0"),
    ],
)
def test_faults_that_mean_nothing_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Fault(**settings)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "no other members"),
        ('{"fault": []}', "no other members"),
        ('{"seed": "x"}', "seed a whole number"),
        ('{"faults": [{"kind": "503", "chance": 1}]}', "'chance' is unknown"),
        ('{"faults": [{"kind": "503", "at_s": "5"}]}', "at_s is '5'"),
        ('{"faults": [{"kind": "503", "operations": "put"}]}', "list of names"),
        ('{"faults": [5]}', "a fault is an object"),
    ],
)
def test_scripts_that_cannot_be_read_say_where(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        FaultScript.from_json(text)


def hits(script: FaultScript, order: list[int]) -> set[str]:
    director = Director(script, 0.0)
    return {f"key{n}" for n in order if director.request("put", f"key{n}", 1.0) is not None}


def test_the_same_seed_hits_the_same_requests_in_any_order() -> None:
    script = FaultScript((Fault("503", 0.3),), seed=7)
    found = hits(script, list(range(1000)))
    assert found == hits(script, list(reversed(range(1000))))
    assert 250 <= len(found) <= 350
    assert found != hits(FaultScript(script.faults, seed=8), list(range(1000)))


def test_times_windows_and_first_requests_are_kept() -> None:
    script = FaultScript((Fault("500", times=2, operations=("get",)), Fault("503", at_s=5, for_s=10, first_requests=1)))
    director = Director(script, 100.0)
    assert director.request("put", "a", 104.9) is None
    assert director.request("put", "a", 105.0) is None  # the second one for this key
    hit = director.request("put", "b", 105.0)
    assert hit is not None
    assert hit.kind == "503"
    assert director.request("put", "c", 115.0) is None
    assert [director.request("get", "d", 100.0) is not None for _ in range(3)] == [True, True, False]
    assert director.counts == {"503": 1, "500": 2}
    first = director.hits[0]
    assert (first.kind, first.key, first.number, first.t_s) == ("503", "b", 1, 5.0)
    assert director.arrivals["a"] == [4.9, 5.0]


def test_a_hole_swallows_what_was_asked_before_it() -> None:
    director = Director(FaultScript((Fault("black-hole", at_s=1, for_s=2),)), 0.0)
    assert [director.in_hole(now) for now in (0.5, 1.0, 2.9, 3.0)] == [False, True, True, False]
    partial = Director(FaultScript((Fault("black-hole", 0.5),)), 0.0)
    assert not partial.in_hole(1.0)


def stored(plain: bytes, *, times: int = 1, bodies: int = 1, claimed: bytes | None = None) -> Stored:
    said = sha(plain if claimed is None else claimed)
    return Stored(times, sha(b"body" + plain), bodies, sha(plain), said, len(plain))


def test_the_verdict_tells_loss_corruption_and_duplicates_apart() -> None:
    expected = {name: sha(name.encode()) for name in ("fine", "lost", "damaged", "twice", "rewritten", "never told")}
    ledger = Ledger(
        {
            "fine": stored(b"fine"),
            "damaged": stored(b"something else", claimed=b"damaged"),
            "twice": stored(b"twice"),
            "twice, again": stored(b"twice"),
            "rewritten": stored(b"rewritten", times=3),
            "never told": stored(b"never told"),
        }
    )
    verdict = ledger.compare(expected, claimed=expected.keys() - {"never told"})
    assert not verdict.clean
    assert verdict.lost == ("lost",)
    assert verdict.corrupt == ("damaged",)
    assert verdict.duplicated == ("twice, again",)
    assert verdict.rewritten == ("rewritten",)
    assert verdict.unclaimed == ("never told",)
    assert verdict.counts() == {
        "lost": 1, "corrupt": 1, "duplicated": 1, "rewritten": 1, "unclaimed": 1, "checked": 6,
    }  # fmt: skip


@pytest.mark.parametrize(
    "row",
    [
        Stored(1, sha(b"x"), 1, None, sha(b"plain"), 5),  # cannot be decoded
        Stored(1, sha(b"x"), 1, sha(b"plain"), sha(b"other"), 5),  # its metadata says something else
        Stored(2, sha(b"x"), 2, sha(b"plain"), sha(b"plain"), 5),  # written with two different bodies
        Stored(1, sha(b"x"), 1, sha(b"other"), None, 5),
    ],
)
def test_what_is_not_proven_right_is_corrupt(row: Stored) -> None:
    assert Ledger({"key": row}).compare({"key": sha(b"plain")}).corrupt == ("key",)


def test_an_object_that_nobody_expected_is_corrupt_and_equal_captures_are_refused() -> None:
    assert Ledger({"stray": stored(b"stray")}).compare({}).corrupt == ("stray",)
    with pytest.raises(ValueError, match="same capture twice"):
        Ledger().compare({"a": sha(b"x"), "b": sha(b"x")})


def test_a_ledger_survives_json() -> None:
    ledger = Ledger({"key": stored(b"x", times=2)}, ("open",))
    assert Ledger.from_dict(json.loads(json.dumps(ledger.to_dict()))) == ledger


def put(objects: Objects, key: str, body: bytes, **headers: str) -> int:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return objects.answer(Request("PUT", f"/bucket/{key}", named), body).status


def test_the_store_keeps_what_it_is_given_and_counts() -> None:
    objects = Objects()
    body = gzip.compress(b"plain")
    assert put(objects, "a%20b/c", body, content_encoding="gzip") == 200
    assert put(objects, "a%20b/c", body, content_encoding="gzip") == 200
    row = objects.ledger().objects["a b/c"]
    assert (row.times, row.bodies, row.sha256, row.plain_sha256) == (2, 1, sha(body), sha(b"plain"))
    assert objects.answer(Request("GET", "/bucket/a%20b/c", {}), b"").body == body
    assert objects.answer(Request("GET", "/bucket/nothing", {}), b"").status == 404
    put(objects, "a%20b/c", gzip.compress(b"other"), content_encoding="gzip")
    assert objects.ledger().objects["a b/c"].bodies == 2
    put(objects, "torn", body[:-3], content_encoding="gzip")
    assert objects.ledger().objects["torn"].plain_sha256 is None


@pytest.mark.parametrize(
    "headers",
    [
        {"x_amz_content_sha256": sha(b"other")},
        {"content_md5": base64.b64encode(b"0" * 16).decode()},
        {"x_amz_checksum_crc32": "AAAAAA=="},
        {"x_amz_checksum_sha256": base64.b64encode(b"0" * 32).decode()},
    ],
)
def test_a_wrong_checksum_stores_nothing(headers: dict[str, str]) -> None:
    objects = Objects()
    assert put(objects, "key", b"body", **headers) == 400
    assert objects.ledger().objects == {}


def test_a_conditional_put_is_refused_once_the_key_exists() -> None:
    objects = Objects()
    assert put(objects, "key", b"one", if_none_match="*") == 200
    assert put(objects, "key", b"two", if_none_match="*") == 412
    assert objects.ledger().objects["key"].sha256 == sha(b"one")


def test_multipart_is_put_together_from_the_parts_that_were_named() -> None:
    objects = Objects()
    begun = objects.answer(Request("POST", "/bucket/big?uploads", {}), b"").body.decode()
    upload_id = begun.partition("<UploadId>")[2].partition("<")[0]
    parts = [b"a" * 5 * MIB, b"b" * 10]
    tags = []
    for number, part in enumerate(parts, 1):
        request = Request("PUT", f"/bucket/big?partNumber={number}&uploadId={upload_id}", {})
        tags.append(objects.answer(request, part).headers["ETag"].strip('"'))
    finish = Request("POST", f"/bucket/big?uploadId={upload_id}", {})

    def asking(*named: tuple[int, str]) -> bytes:
        rows = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>&quot;{tag}&quot;</ETag></Part>" for n, tag in named)
        return f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()

    assert objects.ledger().open_uploads == ("big",)
    assert objects.answer(finish, asking((1, tags[1]))).status == 400
    assert objects.answer(finish, asking((3, tags[0]))).status == 400
    assert objects.answer(finish, asking((2, tags[1]), (1, tags[0]))).status == 400  # too small a part before the last
    assert objects.answer(finish, b"<nonsense>").status == 400
    assert objects.answer(finish, asking((1, tags[0]), (2, tags[1]))).status == 200
    assert objects.ledger().objects["big"].sha256 == sha(b"".join(parts))
    assert objects.ledger().open_uploads == ()
    assert objects.answer(finish, asking((1, tags[0]))).status == 404


def test_an_aborted_upload_leaves_nothing() -> None:
    objects = Objects()
    objects.answer(Request("POST", "/bucket/big?uploads=", {}), b"")
    abort = Request("DELETE", "/bucket/big?uploadId=upload-1", {})
    assert objects.answer(abort, b"").status == 204
    assert objects.answer(abort, b"").status == 404
    assert objects.ledger() == Ledger()
