"""Both scanners say the same of every text, and neither is made before it is needed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from packhorse.bench.synth import KINDS, synthesize
from packhorse.redact import Redactor, load_rules, scanner
from packhorse.redact.rules import builtin_rules
from packhorse.redact.scan_base import Scan
from packhorse.redact.scan_plain import make_scan as make_plain
from packhorse.redact.scanner import Deferred, ScannerName, make_scan
from packhorse.redact.signals import signals_of
from tests.support import check_redaction as checking
from tests.support.plant_secrets import blank_entry

_SIGNALS = signals_of(builtin_rules())
#: Pieces of names, delimiters and values, put together at random: far more near misses than any capture has.
_PIECES = (
    *("token", "Secret", "pass", "word", "api", "key", "access", "id", "session", "connect", "sid", "saml", "response"),
    *("card", "number", "sig", "code", "pin", "auth", "orization", "Bearer ", "cookie", "opcode", "base64", "Encoded"),
    *("-", "_", ".", " ", "[", "]", ")", '"', "'", "\\", "=", ":", "%", ">", " =", "\n", ",", "{", "}", "&", "?", "`"),
    *("%3D", "%253d", "%20", "\\u0020", "\\u003d", "\\u0061", "%61", "encoding", "true", "2", "null", "name=", "value"),
    *(
        "4111",
        "1111",
        "4111111111111111",
        "378282",
        "246310005",
        "0.",
        "1718000000000",
        "://",
        "u:p@h",
        "@",
        "é",
        "\x00",
    ),
    *("eyJhbGciOi", "AKIA", "ABCDEFGH", "ghp_", "sk-", "xoxb-", "-----BEGIN ", "PRIVATE KEY", "abc123def456", "hf_"),
)
#: A page cut short behind a secret name, and a text whose beginning makes that look like the last name of an object.
_NEIGHBOURS = (b'<form><input type="hidden" value="S3CRET-77d1f0" name="token"', b"} else { return 1 }")


def _texts() -> Iterator[bytes]:
    rng = random.Random(11)
    for _ in range(6000):
        yield "".join(rng.choices(_PIECES, k=rng.randint(2, 40))).encode()
    for _ in range(20):
        # Long texts are looked through in another way than short ones.
        yield "lorem ipsum ".join("".join(rng.choices(_PIECES, k=9)) for _ in range(200)).encode()
    yield from _NEIGHBOURS
    for _, _, entry in checking.planted_entries(400, 13):
        yield json.dumps(entry).encode()
    for kind in KINDS:
        for entry in synthesize(3, 2, kind).entries:
            yield json.dumps(entry).encode()


def _found(scan: Scan, text: bytes) -> tuple[frozenset[str], set[int]]:
    spots: list[int] = []
    names = scan(text)
    assert names == scan(text, spots), text[:200]
    return names, set(spots)


def test_the_scanners_agree() -> None:
    # Where Hyperscan is not installed, "auto" is the plain one and this says nothing; the packaged extras have it.
    fast, plain = make_scan(_SIGNALS), make_plain(_SIGNALS)
    seen: set[str] = set()
    for text in _texts():
        names, spots = _found(plain, text)
        assert (names, spots) == _found(fast, text), text[:300]
        seen |= names
    assert seen >= {"name", "card", "userinfo", "escaped", "encoded", "jwt", "aws-key-id"}


def test_the_scanners_agree_on_names_of_a_user(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('anywhere = ["*_x", "b", "a_b_c", "*id"]\nquery = ["very_long_name_of_a_parameter"]\n')
    signals = signals_of(load_rules(path))
    fast, plain = make_scan(signals), make_plain(signals)
    rng = random.Random(5)
    pieces = (*"abcxid_-. =:\"'&?{", "very_long", "name-of", "a", "parameter", "=1", ': "v"')
    for _ in range(4000):
        text = "".join(rng.choices(pieces, k=rng.randint(1, 30))).encode()
        assert _found(plain, text) == _found(fast, text), text


@pytest.mark.parametrize("scanner", ["auto", "plain"])
def test_a_scan_of_many_texts_misses_none(scanner: ScannerName) -> None:
    scan, rng = make_scan(_SIGNALS, scanner), random.Random(17)
    texts = [text for text in _texts() if len(text) < 5000]
    alone = [bool(scan(text)) for text in texts]
    clean = [text for text, found in zip(texts, alone, strict=True) if not found]
    assert 1000 < len(clean) < len(texts) - 1000
    for start in range(0, len(texts), 20):
        # Among clean texts, so that what is found is often a name alone, of which the scan tells where it is.
        batch = [text if rng.random() < 0.1 else rng.choice(clean) for text in texts[start : start + 20]]
        assert set(scan.suspected(batch)) >= {number for number, text in enumerate(batch) if scan(text)}
    quiet = [text for text in clean if text.isalnum()]
    assert len(quiet) > 50
    assert not scan.suspected(quiet)


@pytest.mark.parametrize("scanner", ["auto", "plain"])
@pytest.mark.parametrize("behind", [b"} else {", b" \n }", b'"}', b"]}", b"}}", b', "v', b":"])
def test_what_follows_a_text_makes_it_no_less_suspicious(scanner: ScannerName, behind: bytes) -> None:
    scan, (text, _) = make_scan(_SIGNALS, scanner), _NEIGHBOURS
    assert "name" in scan(text)
    assert 0 in scan.suspected([text, behind])
    assert 1 in scan.suspected([b"x", text, behind, b"x"])
    assert "name" in scan(text + behind)


@pytest.mark.parametrize("scanner", ["auto", "plain"])
def test_a_body_that_is_cut_short_is_redacted_beside_any_other(scanner: ScannerName) -> None:
    entries = [blank_entry(number) for number in range(2)]
    for entry, body in zip(entries, _NEIGHBOURS, strict=True):
        entry["response"]["content"] = {"mimeType": "text/html", "text": body.decode()}
    assert "S3CRET" not in json.dumps(Redactor(key=b"test", scanner=scanner).capture({"log": {"entries": entries}}))


@pytest.mark.parametrize("scanner", ["auto", "plain"])
@pytest.mark.parametrize(
    "text",
    [
        'auth: { token: "fake-ticket-77d1f0" }',
        "auth:{token:'fake-ticket-77d1f0'}",
        'const apiKey = "fake-ticket-77d1f0";',
        "window.config.client_secret=`fake-ticket-77d1f0`;",
        '<div data-session-token="fake-ticket-77d1f0">',
    ],
)
def test_values_of_bare_names_in_scripts_are_replaced(scanner: str, text: str) -> None:
    redactor = Redactor(key=b"test", scanner=scanner)  # type: ignore[arg-type]
    for mime in ("text/html", "application/javascript", ""):
        body = f"<p>{'filler ' * 400}</p>\n{text}\n"
        new = redactor.entry({"mimeType": mime, "text": body})
        assert "fake-ticket" not in new["text"]
        assert redactor.entry(new) == new


@pytest.mark.parametrize(
    "text",
    [
        'labels={password:"Password",token:"Your token",secret:"Secret question"}',
        'if(a.token==="abc123def456")return t.token=e.token,n',
        'this.tokens={token:"identifier",operator:"punctuator"}',
        'a.password="";b.token=null;c.secret=d[0];e.accessToken=f("x1")',
        'input[type="password"]{color:red}',
        'code:"ERR_42_UNKNOWN",key:"ArrowDown1"',
    ],
)
def test_scripts_without_secrets_are_kept(text: str) -> None:
    element = {"mimeType": "application/javascript", "text": text}
    assert Redactor(key=b"test").entry(element) is element


def test_the_scanner_is_made_once_and_only_when_needed() -> None:
    first, second = make_scan(_SIGNALS), make_scan(signals_of(builtin_rules()))
    assert first(b"token=abc") == second(b"token=abc")
    assert first._scan is second._scan is not None  # type: ignore[attr-defined]
    assert make_scan(_SIGNALS)._scan is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "latin-1"])
def test_bytes_of_any_encoding_are_searched(codec: str) -> None:
    raw = '{"password": "hunter2-correct", "x": "é"}'.encode(codec)
    new = Redactor(key=b"test").capture(raw)
    assert "hunter2".encode(codec)[-8:] not in new
    assert "[redacted:" in new.decode(codec)


# --- while the scanner is made ----------------------------------------------------------------------------------------


def test_what_is_suspected_meanwhile_is_removed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule on every text, and the scanner only where it has to be certain: the outcome is the same."""
    exact = Redactor(key=b"test")
    found = [(place, entry, exact.entry(entry)) for place, _, entry in checking.planted_entries(300, 11)]
    monkeypatch.setattr(Deferred, "suspects", lambda self, _text: self._all)
    guessing = Redactor(key=b"test")
    for place, entry, clean in found:
        assert guessing.entry(entry) == clean, place


def test_a_first_small_text_does_not_wait_for_the_scanner() -> None:
    scan = Deferred(_SIGNALS[:9], hyperscan=False)  # a set of rules that nobody has asked for yet
    with Deferred.making:  # nobody can make it now
        assert scan.suspects(b"x") == scan._all
        assert scan._scan is None
    assert scan(b"x") == frozenset()
    assert scan.suspects(b"x") == frozenset()


def test_a_scanner_that_is_there_is_used_at_once() -> None:
    assert make_scan(_SIGNALS)(b"x") == frozenset()
    assert make_scan(_SIGNALS).suspects(b"x") == frozenset()


def test_whoever_has_more_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "GUESSED_BYTES", 10)
    scan = make_scan(_SIGNALS)
    assert scan.suspects(b"x" * 11) == frozenset()
    assert scan._scan is not None  # type: ignore[attr-defined]


def test_rules_that_cannot_be_compiled_are_told_to_who_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("no such pattern")

    monkeypatch.setattr(scanner, "_shared", refuse)
    monkeypatch.setattr(scanner, "_ready", {})
    scan = make_scan(_SIGNALS)
    assert scan.suspects(b"x") == scan._all  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="no such pattern"):
        scan(b"x")
    for thread in threading.enumerate():
        if thread.name == "packhorse-redact":
            thread.join()
    with pytest.raises(ValueError, match="no such pattern"):
        scan.suspects(b"x")


_FORKING = """
import os, threading
from packhorse.redact import Redactor
redactor = Redactor()
capture = {"log": {"entries": [{"request": {"headers": [{"name": "Cookie", "value": "a=b"}]}}]}}
stop = threading.Event()
def mark():
    while not stop.is_set():
        redactor.capture(capture), redactor.report()
threads = [threading.Thread(target=mark, daemon=True) for _ in range(3)]
[thread.start() for thread in threads]
for _ in range(5):
    child = os.fork()
    if child == 0:
        clean = Redactor().capture(capture), redactor.capture(capture), redactor.report()
        os._exit(0 if "a=b" not in str(clean) else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
[thread.join() for thread in threads]
"""


def test_children_of_a_process_that_redacts_can_redact() -> None:
    quietly = ["-W", "ignore::DeprecationWarning"]  # from 3.12 on Python warns of what is tested here
    command = [sys.executable, *quietly, "-c", _FORKING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr) == (0, "")
