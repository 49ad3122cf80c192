"""Lists of named values: what is read in one go, what comes again, and what stands between."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest

from packhorse.redact import Redactor, quoting
from packhorse.redact import work as work_module

KEY = b"k"
HIDDEN = "HIDDEN-value-0123"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.abcdefghijklmnop"


def redacted(value: Any, scanner: Any = "auto") -> str:
    data = json.dumps(value, separators=(",", ":")).encode()
    new = Redactor(key=KEY, scanner=scanner).encoded(data)
    json.loads(new)
    return new.decode()


def jar(path: str = "/") -> dict[str, Any]:
    return {"cookies": [{"name": "a", "value": HIDDEN, "path": path}, {"name": "b", "value": "zz", "path": '/x"y'}]}


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("wrap", [lambda text: "data=" + quote(text) + "&x=1", lambda text: text, json.dumps])
def test_a_list_that_comes_again_within_escapes_stays_json(times: int, wrap: Any) -> None:
    inner = json.dumps({"token": HIDDEN, "r": [jar() for _ in range(times)]}, separators=(",", ":"))
    assert HIDDEN not in redacted({"text": wrap(inner)})


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_token_between_the_values_of_a_list_goes_each_time(times: int) -> None:
    new = redacted({"entries": [jar("/" + JWT) for _ in range(times)]})
    assert JWT not in new
    assert new.count("redacted") >= 2 * times


@pytest.mark.parametrize("name", ["c\\u006fde", "sessi\\u006fn", "%63ode", "c.o.d.e", "co de", "s\\/id", "pass-word"])
def test_odd_spellings_beside_a_plain_name_go_with_it(name: str) -> None:
    text = '{"queryString":[{"name":"code","value":"abcd-1234"},{"name":"' + name + '","value":"' + HIDDEN + '"}]}'
    assert HIDDEN.encode() not in Redactor(key=KEY).encoded(text.encode())


@pytest.mark.parametrize("before", ["\ufeff", "\u00fc", "\u00ff"])
def test_a_name_behind_letters_beyond_ascii(before: str) -> None:
    for value in ({before + "cookie": HIDDEN}, {"headers": [{"name": before + "cookie", "value": HIDDEN}]}):
        assert HIDDEN not in redacted(value)
    assert HIDDEN not in redacted({"t": f"x?a=1&{quote(before)}code={HIDDEN}"})


@pytest.mark.parametrize(
    "written",
    [
        '{"text":"%s","comment":"a{b","encoding":"base64"}',
        '{"text":"%s","extra":{"a":1},"encoding":"base64"}',
        '{"mimeType":"x","text":"%s","_t":"{}","encoding":"base64"}',
        '{"text": "%s", "encoding":"base64"}',
    ],
)
def test_base64_is_searched_whatever_stands_before_its_label(written: str) -> None:
    body = b64encode(b'{"password":"hunter2-hunter2"}').decode()
    assert body.encode() not in Redactor(key=KEY).encoded((written % body).encode())


@pytest.mark.parametrize("begins", [b"BM", b"OTTO", b"fLaC", b"RIFF", b"ID3", b"OggS", b"wOFF", b"GIF8"])
def test_a_text_that_begins_like_a_picture_is_searched(begins: bytes) -> None:
    body = b64encode(begins + b'{"password":"hunter2-hunter2"}').decode()
    for kind in ("image/png", "font/woff", "audio/ogg"):
        content = {"mimeType": kind, "text": body, "encoding": "base64"}
        assert body not in redacted({"content": content})


def test_a_number_within_unicode_escapes_gets_quotes_of_its_level() -> None:
    new = redacted({"text": "{\\u0022password\\u0022:123456789}"}).replace("\\\\u0022", "\\u0022")
    assert "123456789" not in new
    assert json.loads(json.loads(new)["text"])["password"].startswith("[redacted:")


def test_a_value_with_quotes_is_not_read_to_the_end_of_the_text_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read_bytes = 0
    string_end = quoting.string_end

    def counted(data: bytes, at: int, level: int, stop: int | None = None) -> int:
        nonlocal read_bytes
        read_bytes += (len(data) if stop is None else stop) - at
        return string_end(data, at, level, stop)

    monkeypatch.setattr(work_module, "string_end", counted)
    data = json.dumps({"t": json.dumps([{"name": "authorization", "value": 'a"b12345678'}] * 500)}).encode()
    assert b"b12345678" not in Redactor(key=KEY).encoded(data)
    assert 0 < read_bytes < len(data)
