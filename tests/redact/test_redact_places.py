"""Places to which a change of rules is easily blind: far from their name, in odd lists, encoded twice."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from packhorse.redact import Redactor
from packhorse.redact.cards import luhn

SECRET = "hunter2-correct-horse"
KEY = b"test"


def page(text: str, mime: str = "text/html") -> dict[str, Any]:
    return {"request": {"url": "https://h/"}, "response": {"content": {"mimeType": mime, "text": text}}}


@pytest.fixture(scope="module", params=["auto", "plain"])
def redactor(request: pytest.FixtureRequest) -> Redactor:
    """One that is at work already: it has seen a capture."""
    redactor = Redactor(key=KEY, scanner=request.param)
    redactor.capture({"log": {"entries": [page("lorem ipsum " * 20_000)]}})
    return redactor


def left(redactor: Redactor, element: Any, secret: str = SECRET) -> bool:
    return secret in json.dumps(redactor.entry(element))


@pytest.mark.parametrize("length", [0, 20, 50, 100, 600, 2000])
def test_a_field_behind_a_long_attribute(redactor: Redactor, length: int) -> None:
    pad = "x" * length
    assert not left(redactor, page(f'<input class="{pad}" name="password" value="{SECRET}">'))
    assert not left(redactor, page(f'<input name="password" class="{pad}" value="{SECRET}">'))
    assert not left(redactor, page(f'<input value="{SECRET}" class="{pad}" name="password">'))
    assert not left(redactor, page(f'<a title="{pad}" href="/reset?token={SECRET}">'))
    assert not left(redactor, page(f'<soap:Password Type="{pad}">{SECRET}</soap:Password>', "text/xml"))


@pytest.mark.parametrize("filler", ["", "lorem ipsum. " * 5000])
def test_a_long_secret_in_a_text_of_any_size(redactor: Redactor, filler: str) -> None:
    secret = "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=3000))
    for text in (f'{{"token": "{secret}"}}', f"<a href='/r?token={secret}'>", f"var apiKey = '{secret}9';"):
        new = json.dumps(redactor.entry(page(filler + text + filler)))
        assert secret[:40] not in new
        assert secret[-40:] not in new


def test_an_odd_list_of_raw_headers(redactor: Redactor) -> None:
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl"
    assert not left(redactor, {"rawHeaders": ["Host", "a", "Authorization", SECRET, jwt]}, jwt)
    assert not left(redactor, {"rawHeaders": ["Host", "a", "Authorization", SECRET, jwt]})


@pytest.mark.parametrize(
    "url",
    [
        f"http://a/?http://b/?sig={SECRET}",
        f"http://a/?u=/b?token={SECRET}",
        f"http://a/?%2574oken={SECRET}",
        f"http://a/?%74oken={SECRET}",
        f"http://a/?next=http%3A%2F%2Fb%2F%3Fsig%3D{SECRET}",
        f"http://a/?next=http%253A%252F%252Fb%252F%253Fsig%253D{SECRET}",
    ],
)
def test_names_within_urls(redactor: Redactor, url: str) -> None:
    assert not left(redactor, {"request": {"url": url}})
    assert not left(redactor, page(f'<a href="{url}">'))


CARDS = {
    "Visa 13": ("4", 13, ()),
    "Visa": ("4", 16, (4, 4, 4, 4)),
    "Visa 19": ("4", 19, (4, 4, 4, 4, 3)),
    "Mastercard": ("51", 16, (4, 4, 4, 4)),
    "Mastercard 2": ("2221", 16, (4, 4, 4, 4)),
    "American Express": ("34", 15, (4, 6, 5)),
    "Diners 14": ("36", 14, (4, 6, 4)),
    "Diners 16": ("305", 16, (4, 4, 4, 4)),
    "JCB": ("3528", 16, (4, 4, 4, 4)),
    "Discover": ("6011", 16, (4, 4, 4, 4)),
    "UnionPay": ("62", 19, (4, 4, 4, 4, 3)),
    "Maestro": ("50", 13, ()),
}


@pytest.mark.parametrize("network", CARDS)
def test_cards_of_each_network_and_grouping(redactor: Redactor, network: str) -> None:
    first, length, groups = CARDS[network]
    rng = random.Random(network)
    body = first + "".join(rng.choices("0123456789", k=length - len(first) - 1))
    number = next(body + check for check in "0123456789" if luhn(body + check))
    written = [number]
    for separator in (" ", "-", "+", "%20") if groups else ():
        at, parts = 0, []
        for size in groups:
            parts.append(number[at : at + size])
            at += size
        written.append(separator.join(parts))
    for text in written:
        assert not left(redactor, page(f"card {text} on file"), text), text
        assert not left(redactor, {"note": text}, text), text
        assert not left(redactor, page(json.dumps({"pan": text, "a": [text]})), text), text
    assert number not in json.dumps(redactor.entry({"pan": int(number), "list": [int(number), 1]}))
    assert not left(redactor, page(json.dumps({"pan": int(number)})), number)
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert left(redactor, page(f"card {wrong} on file"), wrong)
