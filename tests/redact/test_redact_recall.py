"""Kinds of secrets that recorded traffic holds, each in several forms, and what looks like them and must stay."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from packhorse.redact import Redactor

SECRET = "Kp4Vn9Xw2Ls7Td6Q"


@pytest.fixture(scope="module", params=["auto", "plain"])
def redactor(request: pytest.FixtureRequest) -> Redactor:
    return Redactor(key=b"test", scanner=request.param)


def body(text: str, mime: str = "text/html", **more: Any) -> dict[str, Any]:
    return {"response": {"content": {"mimeType": mime, "text": text, **more}}}


def posted(text: str, mime: str = "application/x-www-form-urlencoded") -> dict[str, Any]:
    return {"request": {"postData": {"mimeType": mime, "text": text}}}


GONE: dict[str, list[Any]] = {
    "percent-encoded names and values": [
        {"params": [{"name": "user%5Bpassword%5D", "value": SECRET}]},
        {"queryString": [{"name": "auth%5Btoken%5D", "value": SECRET}]},
        {"queryString": [{"name": "p%61ssword", "value": SECRET}]},
        {"request": {"url": f"https://h/?auth%5Btoken%5D={SECRET}"}},
        {"request": {"url": f"https://h/?filter%5Bapi_key%5D%5B%5D={SECRET}&x=1"}},
        posted(f"user%5Bpassword%5D={SECRET}&user%5Bpassword_confirmation%5D={SECRET}"),
        posted(f"json=%7B%22password%22%3A%22{SECRET}%22%7D"),
        posted(f"json=%7B%22a%22%3A%7B%22client_secret%22%3A%20%22{SECRET}%22%7D%7D"),
    ],
    "a wrong base64 label": [
        body(f'{{\n "password": "{SECRET}" }}', "application/json", encoding="base64"),
        body(f"user=ada\npassword={SECRET}\n", "text/plain", encoding="base64"),
        {"base64Encoded": True, "body": f"token={SECRET}"},
        {"opcode": 2, "data": f'{{"token":"{SECRET}"}}'},
    ],
    "a word behind the secret one": [
        {"password1": SECRET, "password2": SECRET},
        {"password_confirmation": SECRET, "passwordConfirm": SECRET, "new_password_again": SECRET},
        {"SecretString": SECRET, "tokenValue": SECRET, "secret_key_base64": SECRET},
        {"apiKeys": [SECRET], "tokens": [SECRET], "secrets": {"a": SECRET}, "passwords": SECRET},
        posted(f"a=1&password1={SECRET}&password2={SECRET}"),
        posted(f"user[password]={SECRET}&user[password_confirmation]={SECRET}"),
        body(f'<input type="password" name="password_confirm" value="{SECRET}">'),
        {"headers": [{"name": "X-Api-Key-2", "value": SECRET}]},
    ],
    "entities and attributes that hold JSON": [
        body(f'<div data-page="{{&quot;auth&quot;:{{&quot;api_token&quot;:&quot;{SECRET}&quot;}}}}"></div>'),
        body(f'<div data-props="{{&#34;accessToken&#34;:&#34;{SECRET}&#34;}}"></div>'),
        body(f'<div data-props="{{&#x22;accessToken&#x22; : &#x22;{SECRET}&#x22;}}"></div>'),
        body(f'<div data-props=\'{{"accessToken":"{SECRET}"}}\'></div>'),
        body(f"<string>&lt;password&gt;{SECRET}&lt;/password&gt;</string>", "text/xml"),
        body(f'<a href="/reset?a=1&amp;token={SECRET}">'),
        body(f"var s = '{{\\x22token\\x22:\\x22{SECRET}\\x22}}'"),
        body(f"var s = '{{\\u0022token\\u0022:\\u0022{SECRET}\\u0022}}'"),
    ],
    "credentials in a header with another job": [
        {"headers": [{"name": "Sec-WebSocket-Protocol", "value": f"bearer, {SECRET}"}]},
        {
            "headers": [
                {"name": "Sec-WebSocket-Protocol", "value": f"v1, base64url.bearer.authorization.k8s.io.{SECRET}"}
            ]
        },
        {"headers": [{"name": "X-Forwarded-Auth", "value": f"Bearer {SECRET}"}]},
        {"data": f"CONNECT\naccept-version:1.2\nlogin:ada\npasscode:{SECRET}\n\n\x00"},
        {"note": f"curl -H 'Authorization: Bearer {SECRET}' https://h/"},
    ],
    "newer token shapes": [
        {"t": "with xapp-1-A0B1C2D3E4F-1234567890123-" + "ab12" * 16},
        {"t": "with glpat-" + "aB3d" * 7 + ".01.0z1y2x3w4"},
        {"t": "with glft-aB3dEaB3dEaB3dEaB3dE or glrt-aB3dEaB3dEaB3dEaB3dE"},
        {"t": "with GR1348941" + "aB3dE" * 4},
        {"t": "with whsec_" + "aB3d" * 8},
        {"t": "with doo_v1_" + "0a1b" * 16},
        {"t": "line\nsk-ant-api03-" + "aB3d" * 10},
        {"t": "é" + "hvs." + "aB3d" * 8},
    ],
    "multipart": [
        posted(
            f"--B\r\nContent-Disposition: form-data; name=password\r\n\r\n{SECRET}\r\n--B--\r\n", "multipart/form-data"
        ),
        posted(
            '--B\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; filename="x"; name=password\r\n\r\n'
            f"{SECRET}\r\n--B--\r\n",
            "multipart/form-data",
        ),
        posted(
            '--B\r\nContent-Disposition: form-data; name="x"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
            f"{b64encode(f'token={SECRET}'.encode()).decode()}\r\n--B--",
            "multipart/form-data",
        ),
        posted(f'--B\nContent-Disposition: form-data; name="code"\n\n{SECRET}\n--B--\n', "multipart/form-data"),
    ],
    "what looks like a marker": [
        body(f'{{"password": "[rabbit]{SECRET}"}}', "application/json"),
        body(f'{{"cookie": "[redacted]; sid={SECRET}"}}', "application/json"),
        posted(f"password=[r{SECRET}"),
        {"password": f"[redacted:12345678]{SECRET}"},
        {"password": f"[redacted:{SECRET[:8]}]", "x": 1},
    ],
    "pairs": [
        {"a": [["Authorization", SECRET]]},
        {"rawHeaders": ["Host", "h", "X-Api-Key", SECRET]},
        {"headers": [["x", "y"], ["X-Api-Key", SECRET]]},
    ],
}


@pytest.mark.parametrize(("kind", "element"), [(kind, element) for kind, some in GONE.items() for element in some])
def test_a_secret_is_gone(redactor: Redactor, kind: str, element: Any) -> None:
    new = redactor.entry(element)
    assert new != element
    left = json.dumps(new)
    assert SECRET not in left
    assert "aB3d" not in left
    assert "ab12" not in left
    assert "0a1b" not in left
    assert redactor.entry(new) == new


STAYS: dict[str, list[Any]] = {
    "words that only begin like a secret one": [
        {
            "tokenizer": "bpe-1",
            "passwordless": "yes-1",
            "secretary": "Ada 1",
            "tokenize": "x1",
            "cookieConsent": "all-1",
        },
        body("tokenizer=bpe1&passwordless=true1&secretary=ada1"),
    ],
    "counts and prices": [
        {"usage": {"max_tokens": 4096, "total_tokens": 12, "prompt_tokens": 5, "completion_tokens": 7}},
        {"token_count": 12, "price_per_token": 0.002, "tokenLimit": 8000, "tokens_used": 3},
        {"tokens": 1234, "passwordLength": 12},
    ],
    "schemas": [
        body(
            '{"properties":{"password":{"type":"string","format":"password"},"token":{"$ref":"#/x"}}}',
            "application/json",
        ),
        body('{"password":{"type":"string","minLength":8},"cookies":{"type":"array","items":{"type":"string"}}}'),
    ],
    "labels and messages": [
        body('{"password":"Password","token":"Your token","secret":"Secret question"}', "application/json"),
        body('{"password":"Please enter your password.","api_key":"API key"}', "application/json"),
        body('{"errors":{"password":["Password is too short.","Password must contain a digit."]}}', "application/json"),
    ],
    "codes": [{"request": {"url": "https://h/?code=200&x=1"}}, {"queryString": [{"name": "code", "value": "404"}]}],
    "flags": [{"password": True, "token": None, "secret": "", "credentials": "include"}],
}


@pytest.mark.parametrize(("kind", "element"), [(kind, element) for kind, some in STAYS.items() for element in some])
def test_what_only_looks_secret_stays(redactor: Redactor, kind: str, element: Any) -> None:
    assert redactor.entry(element) is element
