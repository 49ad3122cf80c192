"""Entries with known secrets in every kind of place, for :mod:`tests.support.check_redaction`. Seeded."""

from __future__ import annotations

import json
import random
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from packhorse.redact.cards import luhn

_ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_NAMES = (
    "password",
    "access_token",
    "refreshToken",
    "id_token",
    "clientSecret",
    "api_key",
    "X-Api-Key",
    "apiKey",
    "passwd",
    "pwd",
    "secret",
    "session_id",
    "x-amz-security-token",
    "private_key",
    "Authorization",
    "accessToken",
)
_HEADERS = (
    "Authorization",
    "authorization",
    "Proxy-Authorization",
    "Cookie",
    "Set-Cookie",
    "X-Api-Key",
    "X-Auth-Token",
    "x-csrf-token",
    "X-Amz-Security-Token",
    "API-Key",
)
_PARAMS = (
    "X-Amz-Signature",
    "sig",
    "Signature",
    "token",
    "access_token",
    "id_token",
    "refresh_token",
    "code",
    "api_key",
    "key",
    "password",
    "passwd",
    "pwd",
    "secret",
    "client_secret",
    "session",
    "sessionid",
)

Place = Callable[[random.Random, dict[str, Any], str], None]


def opaque(rng: random.Random) -> str:
    """A secret without a shape: only its name tells it. Long enough not to occur by chance."""
    return "".join(rng.choices(_ALNUM, k=rng.randint(12, 40)))


def shaped(rng: random.Random) -> str:
    """A secret that is known by its shape."""
    return rng.choice((_jwt, _card, _provider))(rng)


def _jwt(rng: random.Random) -> str:
    parts = (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"%d"}' % rng.getrandbits(60), rng.randbytes(32))
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _card(rng: random.Random) -> str:
    body = rng.choice(("4", "51", "55", "2221", "6011")).ljust(15, "x")
    body = "".join(rng.choice("0123456789") if digit == "x" else digit for digit in body)
    number = next(body + check for check in "0123456789" if luhn(body + check))
    separator = rng.choice(("", "", " ", "-"))
    return separator.join(number[at : at + 4] for at in range(0, 16, 4))


def _provider(rng: random.Random) -> str:
    tail = "".join(rng.choices(_ALNUM, k=40))
    upper = "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16))
    return rng.choice(
        (
            f"AKIA{upper}",
            f"ghp_{tail[:36]}",
            f"xoxb-{tail[:24]}",
            f"sk-{tail}",
            f"AIza{tail[:35]}",
            f"sk_live_{tail[:24]}",
        )
    )


def blank_entry(number: int) -> dict[str, Any]:
    """A HAR entry without a secret."""
    return {
        "startedDateTime": "2024-05-01T12:00:00.000Z",
        "time": 12.5,
        "request": {
            "method": "POST",
            "url": f"https://shop.example/items/{number}?page=2",
            "headers": [{"name": "Accept", "value": "*/*"}],
            "cookies": [],
            "queryString": [{"name": "page", "value": "2"}],
        },
        "response": {
            "status": 200,
            "headers": [{"name": "Content-Type", "value": "text/html"}],
            "cookies": [],
            "content": {"mimeType": "text/html", "text": "<p>hello</p>"},
            "redirectURL": "",
        },
    }


def _escape(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _content(entry: dict[str, Any], mime: str, text: str, *, base64: bool = False) -> None:
    content: dict[str, Any] = {"mimeType": mime, "text": text}
    if base64:
        content |= {"text": b64encode(text.encode()).decode(), "encoding": "base64"}
    entry["response"]["content"] = content


def _post(entry: dict[str, Any], mime: str, text: str) -> None:
    entry["request"]["postData"] = {"mimeType": mime, "text": text}


def _header(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    name = rng.choice(_HEADERS)
    prefix = {"authorization": "Bearer ", "cookie": "a=1; id=", "set-cookie": "id="}.get(name.lower(), "")
    side = "response" if name == "Set-Cookie" else "request"
    entry[side]["headers"].append({"name": name, "value": prefix + secret})


def _cookie(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    entry[rng.choice(("request", "response"))]["cookies"].append({"name": "anything", "value": secret, "path": "/"})


def _cookie_text(_: random.Random, entry: dict[str, Any], secret: str) -> None:
    entry["request"]["cookies"] = f"id={secret}"


def _query(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    name = rng.choice(_PARAMS)
    entry["request"]["url"] += f"&{name}={quote(secret)}"
    entry["request"]["queryString"].append({"name": name, "value": secret})


def _fragment(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    entry["response"]["redirectURL"] = f"https://app.example/done#state=1&{rng.choice(_PARAMS)}={secret}"


def _location(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    url = f"https://app.example/cb?{rng.choice(_PARAMS)}={secret}&x=1"
    value = f'<{url}>; rel="next"' if rng.random() < 0.3 else url
    entry["response"]["headers"].append({"name": rng.choice(("Location", "Link", "Referer")), "value": value})


def _nested_url(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    inner = f"https://in.example/?{rng.choice(_PARAMS)}={secret}"
    entry["request"]["url"] += (
        f"&next={quote(inner if rng.random() < 0.5 else 'https://x/?u=' + quote(inner, safe=''), safe='')}"
    )


def _userinfo(_: random.Random, entry: dict[str, Any], secret: str) -> None:
    entry["request"]["url"] = f"https://user:{secret}@shop.example/"


def _form(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    name = rng.choice(_PARAMS)
    _post(entry, "application/x-www-form-urlencoded", f"user=me&{name}={quote(secret)}&z=1")
    entry["request"]["postData"]["params"] = [{"name": name, "value": secret}]


def _percent_name(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    _post(entry, "application/x-www-form-urlencoded", f"a=1&{_percent(rng.choice(_PARAMS))}={_percent(secret)}")


def _json_body(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    value: Any = {rng.choice(_NAMES): secret, "id": 7}
    for depth in range(rng.randint(0, 6)):
        value = {"data": [value, depth]}
    text = json.dumps(value, indent=rng.choice((None, 2)))
    _content(entry, rng.choice(("application/json", "text/plain", "application/problem+json")), text)


def _json_in_json(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    text = json.dumps({rng.choice(_NAMES): secret})
    for _ in range(rng.randint(1, 4)):
        text = json.dumps({"body": text})
    _post(entry, "application/json", text)


def _escaped_json(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    _content(entry, "application/json", f'{{"{_escape(rng.choice(_NAMES))}":"{_escape(secret)}"}}')


def _broken_json(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    _content(entry, "application/json", f'{{"a":1,"{rng.choice(_NAMES)}":"{secret}","b":[1,')


def _base64_body(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    _content(entry, "application/json", json.dumps({rng.choice(_NAMES): secret}), base64=True)


def _multipart(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    body = (
        '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--X\r\nContent-Disposition: form-data; '
        f'name="{rng.choice(_PARAMS)}"\r\n\r\n{secret}\r\n--X--\r\n'
    )
    _post(entry, "multipart/form-data; boundary=X", body)


def _websocket(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    data = json.dumps({"type": "auth", rng.choice(_NAMES): secret})
    message: dict[str, Any] = {"type": "send", "opcode": 1, "data": data}
    if rng.random() < 0.3:
        message |= {"opcode": 2, "data": b64encode(data.encode()).decode()}
    entry.setdefault("_webSocketMessages", []).append(message)


def _devtools(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    name = rng.choice(_HEADERS)
    params = {
        "request": {
            "url": f"https://x.example/?token={secret}",
            "headers": {name: secret},
            "postData": f"password={secret}",
        },
        "headersText": f"GET / HTTP/1.1\r\nHost: x.example\r\n{name}: {secret}\r\n\r\n",
    }
    entry.setdefault("_log", []).append({"method": "Network.requestWillBeSent", "params": params})


def _devtools_body(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    text = json.dumps({rng.choice(_NAMES): secret})
    entry["_body"] = {"body": b64encode(text.encode()).decode(), "base64Encoded": True}


def _cassette(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    entry["_cassette"] = {
        "request": {
            "headers": {rng.choice(_HEADERS): [secret]},
            "body": {"string": f"grant_type=x&client_secret={secret}"},
        }
    }


def _any_key(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    entry["_custom"] = {"deep": [{"deeper": {rng.choice(_NAMES): rng.choice((secret, [secret], {"v": secret}))}}]}


def _events(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    _content(entry, "text/event-stream", f'event: a\ndata: {{"{rng.choice(_NAMES)}":"{secret}"}}\n\ndata: [DONE]\n')


def _page(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    name = rng.choice(_PARAMS[3:7])
    forms = (
        f'<input type="hidden" name="{name}" value="{secret}">',
        f'<input value="{secret}" type=hidden name="{name}" />',
        f'<a href="/reset?{name}={secret}">x</a>',
        f'<script>window.state = {{"{name}":"{secret}"}}</script>',
        f"<soap:{name}>{secret}</soap:{name}>",
    )
    _content(entry, "text/html", f"<body>{rng.choice(forms)}</body>")


def _shaped_text(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    mime = rng.choice(("text/plain", "application/javascript", "text/css", "image/svg+xml", "application/octet-stream"))
    _content(entry, mime, f"const a = '{secret}'; // {rng.random()}", base64=rng.random() < 0.4)


def _shaped_value(rng: random.Random, entry: dict[str, Any], secret: str) -> None:
    rng.choice((entry["request"], entry["response"]))["headers"].append({"name": "X-Note", "value": f"see {secret}"})


def _shaped_json(_: random.Random, entry: dict[str, Any], secret: str) -> None:
    _content(entry, "application/json", json.dumps({"note": [{"t": f"it is {secret} now"}]}))


#: Places for secrets that only their name tells, and for those that are known by their shape.
NAMED_PLACES: tuple[Place, ...] = (
    _header,
    _cookie,
    _cookie_text,
    _query,
    _fragment,
    _location,
    _nested_url,
    _userinfo,
    _form,
    _percent_name,
    _json_body,
    _json_in_json,
    _escaped_json,
    _broken_json,
    _base64_body,
    _multipart,
    _websocket,
    _devtools,
    _devtools_body,
    _cassette,
    _any_key,
    _events,
    _page,
)
SHAPED_PLACES: tuple[Place, ...] = (_shaped_text, _shaped_value, _shaped_json)
