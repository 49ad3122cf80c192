"""The compiled part of redaction finds what the Python code beside it finds, and stays within its text."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from packhorse.redact import scan_native
from packhorse.redact.native import _built, native
from packhorse.redact.patterns import patterns_of
from packhorse.redact.redactor import Redactor
from packhorse.redact.rules import builtin_rules
from packhorse.units import KIB, MIB

pytestmark = pytest.mark.skipif(native is None, reason="not compiled; apt-get install gcc, then pip install again")
KEY = b"the same in both"
#: What the compiled code looks at, whole and in pieces, and what stands beside it.
PARTS = [
    *(b'"name":"', b'","value":"', b'{"name":"', b'"}]', b'"},', b'"', b'\\"', b'\\\\"', b"\\", b"}", b"]", b"[", b"{"),
    *(b",", b":", b"=", b"&", b"?", b"#", b"/", b"//", b"@", b" ", b"\n", b"\\n", b"\x00", b"\xc3\xa9", b"\xff"),
    *(b" value=", b"\\n"),
    *(b"%3D", b"%3d", b"%26", b"%20", b"%22", b"%25", b"%70", b"\\u0070", b"\\u0020"),
    *(b"4111111111111111", b"4111 1111 1111 1111", b"378282246310005", b"5500-0000-0000-0004"),
    *(b"4111%201111%201111%201111",),
    *(b"user:pass@host", b'"cookies":[{', b'"queryString":[{', b'"params":[{', b'"headers":[{', b'"encoding":"base64"'),
    *(b"token", b"password", b"apiKey", b"Authorization", b"Set-Cookie", b"sid", b"code", b"sig", b"null", b"false"),
    *(b"[redacted:12345678]", b"x", b"ab12cd34ef", b"text/plain"),
    *(b'"mimeType":"text/plain"', b',"text":"a,password\\n1,2"'),
]  # fmt: skip
SIGNS = [
    *(b" =", b" :", b" ||", b" ??", b"</", b"<\\/", b"`", b"'", b">", b"-", b"_", b".", b")", b"&quot;", b"&amp;#"),
    *(b"s",),
    *(b"Confirmation", b'"cookies":["a', b'"requestCookies" : {"', b'"params":{"', b'"headers":["', b'"opcode":2'),
    *(b'content-disposition: form-data; name="', b"eyJhbGciOiJIUzI1NiJ9", b".abcdefgh", b"text/csv"),
    *(b"/AB12cd34ef56gh78ij",),
]  # fmt: skip
CAPTURE = json.dumps(
    {
        "log": {
            "entries": [
                {
                    "request": {
                        "url": "https://user:secret99@example.com/a/b?sid=9a8b7c6d&q=1&next=%26token%3Dabc12345%26x",
                        "headers": [
                            {"name": "Cookie", "value": 'sid="8f7e6d5c4b3a29180"; theme=dark'},
                            {"name": "Authorization", "value": "Bearer abcdefghijklmnop0123456789"},
                            {"name": "Accept", "value": "*/*"},
                        ],
                        "cookies": [{"name": "sid", "value": "8f7e6d5c4b3a29180", "path": "/"}] * 3,
                        "queryString": [{"name": "sid", "value": "9a8b7c6d"}, {"name": "q", "value": "1"}],
                    },
                    "response": {"content": {"size": 9, "mimeType": "text/plain", "text": "card 4111111111111111"}},
                }
            ]
            * 3
        }
    },
    separators=(",", ":"),
).encode()


def _texts(seed: int, count: int) -> list[bytes]:
    rnd = random.Random(seed)
    texts = []
    for _ in range(count):
        if rnd.random() < 0.5:
            text = b"".join(rnd.choice(PARTS) for _ in range(rnd.randrange(50)))
        else:
            mutable = bytearray(CAPTURE)
            for _ in range(rnd.randrange(1, 9)):
                at = rnd.randrange(len(mutable) + 1)
                mutable[at : at + rnd.randrange(8)] = rnd.choice(PARTS)
            text = bytes(mutable[: rnd.randrange(len(mutable))])
        texts.append(text)
    return texts


def _redacted(texts: list[bytes]) -> list[str]:
    redactor = Redactor(key=KEY)
    return [redactor.encoded(text).hex() for text in texts]


def test_the_compiled_code_and_python_find_the_same() -> None:
    texts = [CAPTURE, *(CAPTURE[:size] for size in range(0, len(CAPTURE), 7)), *_texts(1, 1500)]
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps([text.hex() for text in texts]),
        env={**os.environ, "PACKHORSE_NO_NATIVE": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    by_python = json.loads(done.stdout)
    assert len(by_python) == len(texts)
    assert sum(a != text.hex() for a, text in zip(by_python, texts, strict=True)) > len(texts) // 2
    for text, compiled, python in zip(texts, _redacted(texts), by_python, strict=True):
        assert compiled == python, text


def test_what_is_rare_is_found_up_to_the_last_byte() -> None:
    for text, end in (
        (b'"4111111111111111"', 14),
        (b"//u:pw1@h", 9),
        (b'"pass%77ord="', 8),
        (b'{"pass\\u0077ord":1}', 12),
    ):
        for front in range(40):
            data = b" " * front + text
            hits, _ = native.scan(None, data, 0, 0, len(data), len(data), 1, 2, 3)
            assert [hit >> 10 for hit in hits] == [front + end], data
            assert native.scan(None, data, 0, 0, front + end - 1, front + end - 1, 1, 2, 3) == ([], [])


@pytest.mark.parametrize("places", [(-1, 0, 2, 2), (0, 0, 4, 4), (1, 0, 2, 2), (0, 0, 3, 2)])
def test_places_outside_the_text_are_refused(places: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="within the text"):
        native.scan(None, b"abc", *places, 1, 2, 3)


@pytest.mark.parametrize(
    "row", [(b"ab", 0, 0, 1, b"", b"", b"x"), (b"abc", 0, 0, 1, b"", b"", b""), (b"abcd", 0, 0, 1, b"x", b"", b"")]
)
def test_a_word_that_cannot_be_found_is_refused(row: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="a window"):
        native.finder((row,))


def test_the_compiled_scanner_leads_to_the_same() -> None:
    pytest.importorskip("pyperscan")
    compiled, other = Redactor(key=KEY), Redactor(key=KEY, scanner="hyperscan")
    rnd = random.Random(7)
    for text in [*_texts(2, 400), *(_named(rnd) for _ in range(1500)), *_at_the_ends_of_pieces(rnd)]:
        assert compiled.encoded(text) == other.encoded(text), text[-2000:]
    assert compiled.report() == other.report()
    assert sum(compiled.report().values()) > 1000


def _named(rnd: random.Random) -> bytes:
    """Names of rules in all spellings and beginnings of tokens, between signs."""
    rules = builtin_rules()
    names = [name for name in (*rules.anywhere, *rules.header, *rules.query) if name != "*"]
    needles = [needle for rule in rules.token for needle in rule.needles]
    parts = []
    for _ in range(rnd.randrange(1, 25)):
        which = rnd.random()
        if which < 0.4:
            name = rnd.choice(names).replace("*", rnd.choice(("", "my_", "X-", "n", "%20", "\\u00fc")))
            name = name.replace("_", rnd.choice(("_", "-", "", ".", " ", "][", "%5f", "_-")))
            parts.append(rnd.choice((name, name.upper(), name.title())).encode())
        elif which < 0.5:
            parts.append(rnd.choice(needles).encode() + b"0123456789abcdef0123456789ABCDEFGHIJ"[rnd.randrange(36) :])
        else:
            parts.append(rnd.choice((*PARTS, *SIGNS)))
    return b"".join(parts)


def _at_the_ends_of_pieces(rnd: random.Random) -> Iterator[bytes]:
    for size in (256 * KIB, 512 * KIB, 1024 * KIB):
        for filler in (b"a", b"key ", b"lorem ipsum "):
            text = _named(rnd) + b'"token":"abc123def456"'
            yield (filler * size)[: size - rnd.randrange(len(text))] + text + filler * 9


@pytest.mark.parametrize(
    "word", [b"key ", b"a", b'"token', b"eyJ", b"password", b"-----BEGIN ", b"login ", b"&amp;", b"\\"]
)
def test_no_text_takes_the_scanner_more_than_its_size(word: bytes) -> None:
    scanner = scan_native.Scanner(patterns_of(builtin_rules()))
    taken = []
    for size in (MIB // 4, 2 * MIB):
        data = word * (size // len(word))
        start = time.thread_time()
        for _ in scanner.hits(data, 0, len(data)):
            pass
        taken.append(time.thread_time() - start)
    assert taken[1] < 40 * taken[0] + 0.05


def test_what_is_no_edit_is_refused() -> None:
    with pytest.raises(TypeError, match="tuple of five"):
        native.splice(b"abc", [(0, 1)], {}, None)


def test_an_error_of_a_book_of_names_comes_through() -> None:
    class Broken(dict[bytes, bool]):
        def __missing__(self, key: bytes) -> bool:
            raise RuntimeError("no such name")

    data = b'{"name":"Cookie","value":"abcdefghijklmnopqrst"}'
    hit = data.index(b"Cookie") + 7 << 10
    with pytest.raises(RuntimeError, match="no such name"):
        native.decide(None, data, [hit], 0, 0, 0, b"\x01", [], (Broken(),) * 5, {}, {}, {})


def test_a_build_of_other_calls_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "CALLS", native.CALLS + 1)
    assert _built() is None


if __name__ == "__main__":
    print(json.dumps(_redacted([bytes.fromhex(text) for text in json.load(sys.stdin)])))  # noqa: T201
