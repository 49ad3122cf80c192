"""Both scanners lead to the same outcome, a new redactor to that of an old one, and neither is made early."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench.synth import KINDS, synthesize
from packhorse.errors import UnavailableError
from packhorse.redact import Redactor, load_rules, scanner
from tests.support import check_redaction as checking
from tests.support.plant_secrets import blank_entry

KEY = b"test"
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
    *('"name":"', '","value":"', "&quot;", "</", "<", '":"', '":', "form-data; name=", "content-disposition: "),
)


def _texts() -> Iterator[str]:
    rng = random.Random(11)
    for _ in range(6000):
        yield "".join(rng.choices(_PIECES, k=rng.randint(2, 40)))
    for _ in range(20):
        yield "lorem ipsum ".join("".join(rng.choices(_PIECES, k=9)) for _ in range(200))
    for _, _, entry in checking.planted_entries(400, 13):
        yield json.dumps(entry)
    for kind in KINDS:
        for entry in synthesize(3, 2, kind).entries:
            yield json.dumps(entry)


def test_the_scanners_lead_to_the_same() -> None:
    # Where Hyperscan is not installed, "auto" is the plain one and this says nothing; the plain install has it.
    fast, plain = Redactor(key=KEY), Redactor(key=KEY, scanner="plain")
    changed = 0
    for text in _texts():
        data = json.dumps({"text": text}).encode()
        new = fast.encoded(data)
        assert plain.encoded(data) == new, text[:300]
        assert json.loads(new).keys() == {"text"}
        changed += new is not data
    assert changed > 1500
    assert fast.report() == plain.report()


def test_the_scanners_lead_to_the_same_with_names_of_a_user(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('anywhere = ["*_x", "b", "a_b_c", "*id"]\nquery = ["very_long_name_of_a_parameter"]\n')
    fast, plain = Redactor(load_rules(path), KEY), Redactor(load_rules(path), KEY, scanner="plain")
    rng = random.Random(5)
    pieces = (*"abcxid_-. =:\"'&?{", "very_long", "name-of", "a", "parameter", "=1", ': "v"')
    for _ in range(4000):
        data = json.dumps("".join(rng.choices(pieces, k=rng.randint(1, 30)))).encode()
        assert plain.encoded(data) == fast.encoded(data), data


@pytest.mark.parametrize("name", ["auto", "plain"])
def test_a_redactor_at_work_removes_what_a_new_one_does(name: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = [entry for _, _, entry in checking.planted_entries(120, 11)]
    old = Redactor(key=KEY, scanner=name)
    for entry in planted:
        old.entry(entry)
    monkeypatch.setattr(scanner, "_ready", {})
    for entry in planted:
        assert old.entry(entry) == Redactor(key=KEY, scanner=name).entry(entry)


def test_a_scanner_is_made_once_and_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[Any, Any] = {}
    monkeypatch.setattr(scanner, "_ready", made)
    first, second = Redactor(), Redactor()
    assert not made
    first.entry({"a": 1})
    second.entry({"a": 1})
    assert len(made) == 1


def test_hyperscan_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "find_spec", lambda _: None)
    with pytest.raises(UnavailableError, match="pyperscan"):
        Redactor(scanner="hyperscan")
    assert "x" not in str(Redactor().entry({"password": "x"}))


@pytest.mark.parametrize("name", ["auto", "plain"])
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
def test_values_of_bare_names_in_scripts_are_replaced(name: Any, text: str) -> None:
    redactor = Redactor(key=KEY, scanner=name)
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
        "r=this.authority.match(ire);this.user=r[3]||n;this.password=r[4]||n;this.host=r[6]",
        '"cookies" : {"type": "array", "items": {"$ref": "cookieType"}}',
        'for(key in it){if(typeof key=="number"){a="x"}}',
        "function f(a,b){return a&token,b&key=c}",
    ],
)
def test_scripts_without_secrets_are_kept(text: str) -> None:
    element = {"mimeType": "application/javascript", "text": text}
    assert Redactor(key=KEY).entry(element) is element


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "latin-1"])
def test_bytes_of_any_encoding_are_searched(codec: str) -> None:
    raw = '{"password": "hunter2-correct", "x": "é"}'.encode(codec)
    new = Redactor(key=KEY).capture(raw)
    assert "hunter2".encode(codec)[-8:] not in new
    assert "[redacted:" in new.decode(codec)


@pytest.mark.parametrize("name", ["auto", "plain"])
def test_a_body_that_is_cut_short_is_redacted_beside_any_other(name: Any) -> None:
    bodies = ('<form><input type="hidden" value="S3CRET-77d1f0" name="token"', "} else { return 1 }")
    entries = [blank_entry(number) for number in range(2)]
    for entry, body in zip(entries, bodies, strict=True):
        entry["response"]["content"] = {"mimeType": "text/html", "text": body}
    assert "S3CRET" not in json.dumps(Redactor(key=KEY, scanner=name).capture({"log": {"entries": entries}}))


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
