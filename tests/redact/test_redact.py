"""Redaction case by case: shapes of captures, rules of users, failures."""

from __future__ import annotations

import base64
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from packhorse.errors import InputError, RedactionError
from packhorse.model import EntryStream
from packhorse.redact import Redactor, RulesError, load_rules
from packhorse.redact.cards import is_card, luhn
from packhorse.redact.jsonpath import JsonPath
from packhorse.redact.marker import is_marker
from tests.support.plant_secrets import blank_entry

SECRET = "hunter2-correct-horse"


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(key=b"test")


def test_equal_secrets_look_equal_and_different_ones_do_not(redactor: Redactor) -> None:
    new = redactor.entry({"password": "a", "nested": {"client_secret": "a"}, "token": "b"})
    assert new["password"] == new["nested"]["client_secret"] != new["token"]
    assert is_marker(new["password"])
    assert Redactor(key=b"other").entry({"password": "a"})["password"] != new["password"]


def test_the_same_secret_looks_equal_in_a_form_and_in_json(redactor: Redactor) -> None:
    new = redactor.entry({"password": "a b&c", "body": "user=me&password=a+b%26c"})
    assert new["password"] in new["body"]


def test_the_report_counts_and_holds_no_value() -> None:
    redactor = Redactor()
    redactor.entry({"password": SECRET, "api_key": SECRET})
    assert redactor.report() == {"key": 2}


@pytest.mark.parametrize(
    "text",
    [
        f'{{"password": "{SECRET}", "a": [1, 2',
        f'{{"password": {{"inner": "{SECRET}", "x"',
        f"{{'password': '{SECRET}'}}",
        f'{{"pass\\u0077ord": "{SECRET}"',
    ],
)
def test_broken_json_fails_closed(redactor: Redactor, text: str) -> None:
    entry = blank_entry(1)
    entry["response"]["content"] = {"mimeType": "application/json", "text": text}
    assert SECRET not in json.dumps(redactor.entry(entry))


@pytest.mark.parametrize(
    "element",
    [
        {"headers": {"Authorization": SECRET}},
        {"headers": {"Authorization": [SECRET]}},
        {"headers": [["Authorization", SECRET]]},
        {"rawHeaders": ["Host", "a", "Authorization", SECRET]},
        {"headersText": f"GET / HTTP/1.1\r\nCookie: id={SECRET}\r\n"},
        {"cookies": {"anything": SECRET}},
        {"cookies": f"anything={SECRET}"},
        {"value": SECRET, "name": "access_token"},
        {"name": "access_token", "comment": "c", "value": SECRET},
        {"url": f"wss://user:{SECRET}@host/"},
        {"url": f"/relative?a=1&token={SECRET}"},
        {"url": f"https://host/path;jsessionid={SECRET}?x=1"},
        {"body": json.dumps({"password": SECRET}).encode()},
        {"password": [SECRET, {"old": SECRET}]},
        {"log": f"2024-01-01 login password={SECRET} ok"},
        {"xml": f"<soap:Password Type='x'>{SECRET}</soap:Password>"},
        {"base64Encoded": True, "body": base64.b64encode(f"token={SECRET}".encode()).decode()},
        {"data": f')]}}\',\n{{"token":"{SECRET}"}}'},
        {f"https://host/?token={SECRET}": 1},
        ({"password": SECRET},),
    ],
)
def test_shapes_beyond_har(redactor: Redactor, element: Any) -> None:
    new = redactor.entry(element)
    assert SECRET not in repr(new)
    assert SECRET.encode() not in repr(new).encode()


def test_numbers_under_secret_names_go_and_flags_stay(redactor: Redactor) -> None:
    new = redactor.entry({"otp": 123456, "password": None, "token": True, "secret": ""})
    assert is_marker(new["otp"])
    assert (new["password"], new["token"], new["secret"]) == (None, True, "")


def test_unchanged_parts_are_shared(redactor: Redactor) -> None:
    entry = blank_entry(1)
    assert redactor.entry(entry) is entry
    entry["request"]["headers"].append({"name": "Cookie", "value": "a=b"})
    new = redactor.entry(entry)
    assert new is not entry
    assert new["response"] is entry["response"]


def test_an_image_is_kept_and_a_text_called_an_image_is_not(redactor: Redactor) -> None:
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl").decode()
    entry = blank_entry(1)
    entry["response"]["content"] = {"mimeType": "image/png", "encoding": "base64", "text": image}
    assert redactor.entry(entry) is entry
    disguised = base64.b64encode(f'{{"password":"{SECRET}"}}'.encode()).decode()
    entry["response"]["content"] = {"mimeType": "image/png", "encoding": "base64", "text": disguised}
    assert SECRET.encode() not in base64.b64decode(redactor.entry(entry)["response"]["content"]["text"])


def test_json_bodies_keep_long_numbers(redactor: Redactor) -> None:
    body = '{"password":"x","id":123456789012345678901234567890,"price":1.5}'
    new = redactor.entry({"mimeType": "application/json", "text": body})
    assert '"id":123456789012345678901234567890' in new["text"]


def test_a_stream_is_redacted_as_it_is_read(redactor: Redactor) -> None:
    read = []

    def entries() -> Any:
        for number in range(3):
            read.append(number)
            yield {"password": SECRET, "n": number}

    stream = redactor.capture(EntryStream({"log": {"entries": [], "token": SECRET}}, ("log", "entries"), entries()))
    assert read == []
    assert SECRET not in json.dumps(stream.outline)
    assert is_marker(next(iter(stream.entries))["password"])
    assert read == [0]


def test_documents_lists_and_bytes(redactor: Redactor) -> None:
    entry = blank_entry(1)
    document = {"log": {"version": "1.2", "entries": [entry]}}
    assert redactor.capture(document) is document
    changed = redactor.capture({"log": {"entries": [entry, {"password": SECRET}], "comment": f"token={SECRET}"}})
    assert SECRET not in json.dumps(changed)
    assert changed["log"]["entries"][0] is entry
    assert SECRET not in json.dumps(redactor.capture([{"a": {"password": SECRET}}]))
    assert SECRET.encode() not in redactor.capture(json.dumps({"password": SECRET}).encode())


def test_what_cannot_be_checked_is_refused_without_its_content(redactor: Redactor) -> None:
    deep: Any = SECRET
    for _ in range(100_000):
        deep = [deep]
    for element in ({"x": {SECRET}}, {"x": object(), "password": SECRET}, deep):
        with pytest.raises(RedactionError) as caught:
            redactor.entry(element)
        assert SECRET not in str(caught.value)
    cycle: dict[str, Any] = {"password": SECRET}
    cycle["self"] = cycle
    with pytest.raises(RedactionError):
        redactor.entry(cycle)


@pytest.mark.parametrize(
    "more",
    [
        {f"https://host/?token={SECRET}": 1},
        {"headers": [{"name": "x", "value": [SECRET]}, {"name": "Authorization", "value": [SECRET]}]},
        {"headers": [{"name": "x", "value": f"a?token={SECRET}"}]},
        {"headers": [{"name": "x", "value": 4111111111111111}]},
        {"cookies": [{"name": "a", "value": "b"}], "_jar": {"password": SECRET}},
        {"postData": {"mimeType": "", "text": f"token={SECRET}", "params": []}},
        {"postData": {"mimeType": 1, "text": f"token={SECRET}"}},
        {"postData": {"text": "x", "name": "token", "value": SECRET}},
    ],
)
@pytest.mark.parametrize("where", ["entry", "request", "response"])
def test_secrets_in_odd_places_of_an_entry(redactor: Redactor, where: str, more: dict[str, Any]) -> None:
    entry = blank_entry(1)
    (entry if where == "entry" else entry[where]).update(more)
    # A list without a secret name is no secret; the one under Authorization is.
    text = json.dumps(redactor.entry(entry)).replace(json.dumps({"name": "x", "value": [SECRET]}), "")
    assert SECRET not in text
    assert "4111111111111111" not in text


def test_lone_surrogates_are_carried(redactor: Redactor) -> None:
    assert redactor.entry({"a": "\ud800", "password": "\ud801"})["a"] == "\ud800"


def test_threads_share_one_redactor() -> None:
    redactor = Redactor()
    threads = [
        threading.Thread(target=lambda: [redactor.entry({"password": SECRET}) for _ in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redactor.report() == {"key": 800}


def test_cards() -> None:
    assert luhn("4111111111111111")
    assert is_card("378282246310005")
    assert not is_card("4111111111111112")


def test_cards_in_a_text(redactor: Redactor) -> None:
    text = "no 4111 1111 1111 1111 exp 12/26, id 1718000000000, 0.4111111111111111"
    new = redactor.entry({"text": text})["text"]
    assert re.sub(r"\[redacted:[0-9a-f]{8}\]", "X", new) == "no X exp 12/26, id 1718000000000, 0.4111111111111111"


def _rules(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    return load_rules(path)


def test_user_rules_of_every_kind(tmp_path: Path) -> None:
    rules = _rules(
        tmp_path,
        'header = ["X-Tenant"]\nquery = ["iban"]\nform = ["iban"]\nanywhere = ["*_mail"]\nkeep = ["token"]\n'
        'json_path = ["$.user.ssn_no", "$..born"]\n[[regex]]\nname = "staff"\npattern = "EMP-[0-9]{6}"\n',
    )
    redactor = Redactor(rules)
    entry = blank_entry(1)
    entry["request"]["headers"] += [{"name": "x-tenant", "value": SECRET}, {"name": "X-A", "value": "is EMP-123456 ok"}]
    entry["request"]["url"] += f"&iban={SECRET}&token=kept-as-asked"
    entry["response"]["content"] = {
        "mimeType": "application/json",
        "text": json.dumps({"user": {"ssn_no": SECRET, "home_mail": SECRET, "x": [{"born": SECRET}]}}),
    }
    text = json.dumps(redactor.entry(entry))
    assert SECRET not in text
    assert "EMP-123456" not in text
    assert "kept-as-asked" in text
    assert redactor.report()["regex:staff"] == 1


def test_builtin_rules_can_be_left_out(tmp_path: Path) -> None:
    redactor = Redactor(_rules(tmp_path, 'builtin = false\ncookie = ["sid"]\n'))
    new = redactor.entry({"headers": [{"name": "Cookie", "value": f"sid={SECRET}; theme=dark"}], "password": "kept"})
    assert SECRET not in json.dumps(new)
    assert "theme=dark" in json.dumps(new)
    assert new["password"] == "kept"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("headers = []", "headers"),
        ("header = 'x'", "header"),
        ("header = ['*']", "header[0]"),
        ("header = ['--']", "header[0]"),
        ("header = [3]", "header[0]"),
        ("builtin = 1", "builtin"),
        ("json_path = ['user']", "json_path[0]"),
        ("json_path = ['$.a[?x]']", "json_path[0]"),
        ("[[regex]]\nname='a'", "regex[0]"),
        ("[[regex]]\nname='a'\npattern='('", "regex[0].pattern"),
        ("[[regex]]\nname='a'\npattern='a*'", "regex[0].pattern"),
        ("header = [", "not TOML"),
    ],
)
def test_bad_rules_name_file_and_field(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(RulesError) as caught:
        _rules(tmp_path, text)
    assert "rules.toml" in str(caught.value)
    assert named in str(caught.value)


def test_a_missing_file_and_a_bad_key_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"none\.toml"):
        load_rules(tmp_path / "none.toml")
    with pytest.raises(InputError, match="64"):
        Redactor(key=b"")


def test_json_paths() -> None:
    document = {"a": [{"b": 1}, {"b": 2}], "c": {"b": 3}}
    assert JsonPath.parse("$.a[1].b").apply(document, str) == {"a": [{"b": 1}, {"b": "2"}], "c": {"b": 3}}
    assert JsonPath.parse("$..b").apply(document, str) == {"a": [{"b": "1"}, {"b": "2"}], "c": {"b": "3"}}
    assert JsonPath.parse("$.x").apply(document, str) is document
