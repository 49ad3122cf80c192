"""No planted secret is left, whichever scanner looks, and nothing else is touched."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packhorse.bench.synth import KINDS, synthesize
from packhorse.redact import Redactor
from tests.support import check_redaction as checking

KEY = b"test"


@pytest.mark.parametrize("scanner", ["auto", "plain"])
def test_planted_secrets_are_all_gone(scanner: Any) -> None:
    outcome = checking.run(1200, 7, Redactor(key=KEY, scanner=scanner))
    assert outcome.planted.total() == 1200
    assert not outcome.left
    assert outcome.changed_innocent == 0


@pytest.mark.parametrize("scanner", ["auto", "hyperscan", "plain"])
@pytest.mark.parametrize(
    ("front", "secret"),
    [
        ("tool --pass ", "hunter22x"),
        ("tool -passwd ", "hunter22x"),
        ("tool -apikey ", "ab12cd34"),
        ("key=", "pk_" + "prod_" + "Zq81Zq81Zq81"),
        ("see ", "rk_" + "org_live_" + "Zq81Zq81Zq81"),
        ("see ", "dp." + "said." + "Zq81" * 12),
    ],
)
def test_each_way_that_a_scan_knows_is_decided(front: str, secret: str, scanner: Any) -> None:
    if scanner == "hyperscan":
        pytest.importorskip("pyperscan")
    new = Redactor(key=KEY, scanner=scanner).encoded(json.dumps({"text": f"{front}{secret} and more"}).encode())
    assert secret not in new.decode()


def test_a_word_that_ends_with_pass_is_no_option() -> None:
    data = b'{"text":"a high-pass filter(20kHz), and the by-pass road-A66!"}'
    assert Redactor(key=KEY).encoded(data) is data


def test_the_check_sees_a_redactor_that_misses() -> None:
    class Blind(Redactor):
        def entry(self, entry: Any) -> Any:
            return entry

        def encoded(self, data: bytes) -> bytes:
            return data

    outcome = checking.run(60, 7, Blind())
    assert outcome.left.total() == 2 * outcome.planted.total()


@pytest.mark.parametrize("scanner", ["auto", "plain"])
def test_redacting_twice_changes_nothing_more(scanner: Any) -> None:
    redactor = Redactor(key=KEY, scanner=scanner)
    for place, _, entry in checking.planted_entries(300, 5):
        once = redactor.entry(entry)
        assert redactor.entry(once) == once, place


def test_the_callers_object_is_never_changed() -> None:
    redactor = Redactor(key=KEY)
    for place, _, entry in checking.planted_entries(200, 9):
        before = copy.deepcopy(entry)
        assert redactor.entry(entry) != before, place
        assert entry == before, place


@pytest.mark.parametrize("scanner", ["auto", "plain"])
@pytest.mark.parametrize("kind", KINDS)
def test_many_entries_at_once_come_out_as_one_by_one(kind: str, scanner: Any) -> None:
    """What stands beside an entry in a batch changes nothing of it, and entries without secrets stay themselves."""
    entries = list(synthesize(150, 4, kind).entries)
    for number, (_, _, entry) in enumerate(checking.planted_entries(150, 6)):
        entries.insert(number * 5 % len(entries), entry)
    alone = [Redactor(key=KEY, scanner=scanner).entry(entry) for entry in entries]
    together = Redactor(key=KEY, scanner=scanner).capture({"log": {"entries": entries}})["log"]["entries"]
    assert together == alone
    for entry, one, other in zip(entries, alone, together, strict=True):
        assert (one is entry) == (other is entry)


_PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="%\\0123456789@"), max_size=40)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | _PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "title", "items", "count", "url", "mimeType", "text", "name", "value"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(_JSON)
def test_ordinary_objects_come_back_themselves(value: Any) -> None:
    redactor = _SHARED
    assert redactor.entry(value) is value or redactor.entry(value) == value


@settings(max_examples=150, deadline=None)
@given(_JSON)
def test_a_secret_key_anywhere_is_found(value: Any) -> None:
    secret = "Zx9secretvalue77"
    new = _SHARED.entry({"outer": [value, {"deep": {"client_secret": secret, "other": value}}]})
    assert secret not in json.dumps(new)


_SHARED = Redactor(key=KEY)


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_captures_keep_their_entries_and_their_shape(kind: str) -> None:
    entries = list(synthesize(30, 1, kind).entries)
    redactor = Redactor(key=KEY)
    for entry in entries:
        new = redactor.entry(entry)
        assert new.keys() == entry.keys()
        assert new["response"]["status"] == entry["response"]["status"]
        assert len(new["request"]["headers"]) == len(entry["request"]["headers"])
