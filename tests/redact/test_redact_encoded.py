"""JSON text in, JSON text out: whoever wrote it, wherever it is cut, from any thread, in linear time."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packhorse.errors import RedactionError
from packhorse.redact import Redactor, load_rules
from packhorse.redact.engine import Engine
from tests.support import check_redaction as checking
from tests.support.plant_secrets import blank_entry

KEY = b"test"
SECRET = "hunter2-correct-horse"


@pytest.fixture(scope="module", params=["auto", "plain"])
def redactor(request: pytest.FixtureRequest) -> Redactor:
    return Redactor(key=KEY, scanner=request.param)


@pytest.mark.parametrize("style", checking.STYLES)
def test_every_encoders_text_is_read_alike(redactor: Redactor, style: str) -> None:
    write = checking.STYLES[style]
    for place, secret, entry in checking.planted_entries(200, 21):
        text = write(entry)
        new = redactor.encoded(text)
        assert secret.encode() not in new, place
        assert json.loads(new) == json.loads(redactor.encoded(orjson.dumps(entry))), place
        assert redactor.encoded(new) == new, place


def test_text_without_secrets_is_handed_back_itself(redactor: Redactor) -> None:
    text = json.dumps({"log": {"entries": [blank_entry(number) for number in range(9)]}}).encode()
    assert redactor.encoded(text) is text


def test_only_values_are_replaced_and_everything_else_keeps_its_bytes(redactor: Redactor) -> None:
    text = b'{"a" : 1.50,\t"password": "x\\u0041\\/y" , "n":[ 1e5,"\\u00e9" ], "otp":123456,"z":"\\ud800"}'
    new = redactor.encoded(text)
    front, _, rest = new.partition(b'"[redacted:')
    assert text.startswith(front)
    assert rest[9:].startswith(b'" , "n":[ 1e5,"\\u00e9" ], "otp":"[redacted:')
    assert new.endswith(b']","z":"\\ud800"}')


def test_entries_come_out_alike_wherever_a_capture_is_cut(redactor: Redactor) -> None:
    entries = [entry for _, _, entry in checking.planted_entries(120, 8)]
    texts = [orjson.dumps(entry) for entry in entries]
    alone = [redactor.encoded(text) for text in texts]
    for size in (2, 7, 120):
        for start in range(0, len(texts), size):
            run = texts[start : start + size]
            assert redactor.encoded(b",".join(run)) == b",".join(alone[start : start + size])
            assert redactor.encoded(b"\n".join(run)) == b"\n".join(alone[start : start + size])
    assert [json.loads(text) for text in alone] == [redactor.entry(entry) for entry in entries]


def test_threads_share_one_redactor_and_lose_no_count(redactor: Redactor) -> None:
    text = orjson.dumps([entry for _, _, entry in checking.planted_entries(60, 2)])
    shared = Redactor(key=KEY)
    expected = shared.encoded(text)
    once = dict(shared.report())
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.extend(shared.encoded(text) for _ in range(5))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {expected}
    assert shared.report() == {rule: 41 * count for rule, count in once.items()}


def test_what_cannot_be_checked_is_refused_without_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError(SECRET)

    monkeypatch.setattr(Engine, "edits", broken)
    with pytest.raises(RedactionError) as caught:
        Redactor().encoded(b'{"a": "' + SECRET.encode() + b'"}')
    assert SECRET not in str(caught.value)


def test_a_users_patterns_and_paths_apply_to_text(tmp_path: Any) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('json_path = ["$.user.born"]\n[[regex]]\nname = "staff"\npattern = "EMP-[0-9]{6}"\n')
    redactor = Redactor(load_rules(path), KEY)
    text = json.dumps({"user": {"born": SECRET}, "t": "is EMP-123456", "token": SECRET}).encode()
    new = redactor.encoded(text)
    assert SECRET.encode() not in new
    assert b"EMP-" not in new
    assert dict(redactor.report()) == {"json-path": 1, "key": 1, "regex:staff": 1}
    lines = redactor.encoded(text + b"\n" + text)
    assert [json.loads(line).keys() for line in lines.splitlines()] == [{"user", "t", "token"}] * 2


_TEXT = st.text(st.sampled_from("token\"secret\\=:'`<>&%3D{}[],@/ \n\u00e9 4111111111111111password"), max_size=60)


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        _TEXT | st.integers(-(2**60), 2**60) | st.none(), lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner)
    )
)
def test_json_stays_json_of_the_same_shape(value: Any) -> None:
    for scanner in ("auto", "plain"):
        for write in checking.STYLES.values():
            text = write(value)
            new = json.loads(_SHARED[scanner].encoded(text))
            assert _shape(new) == _shape(json.loads(text))


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return [_shape(child) for child in value.values()]
    return [_shape(item) for item in value] if isinstance(value, list) else None


_SHARED = {name: Redactor(key=KEY, scanner=name) for name in ("auto", "plain")}


# --- linear, whatever the text holds ----------------------------------------------------------------------------------

_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlc2lnbmF0dXJl"
_ROW = '{"id":1,"v":[1]},'


def _base64(row: str, size: int) -> str:
    return b64encode(row.encode() * (size * 3 // 4 // len(row))).decode()


HOSTILE: dict[str, Callable[[int], Any]] = {
    **{
        text: lambda size, text=text: text * (size // len(text))  # type: ignore[misc]
        for text in (
            *(
                "eyJ",
                "password",
                'password"',
                '"password":',
                "password=",
                "\\",
                "%25",
                "%70",
                "token%3D",
                "token&quot;",
            ),
            *(
                ":@",
                "a:b@",
                "4",
                "4111 ",
                '"',
                "'",
                "-----BEGIN PRIVATE KEY",
                "</token>",
                '<input name="token" ',
                "\ntoken: a",
            ),
            *("xsk-aaaaaaaaaaaaaaaaaa", "content-disposition: form-data; name=x ", "a&key=b;", "\ntoken: (", "token_"),
        )
    },
    "JWT and base64": lambda size: f"atob('{_base64(_ROW, size)}'), t = '{_JWT}'",
    "base64": lambda size: {"text": _base64('{"password":"x1"}', size), "encoding": "base64"},
    "nested objects": lambda size: [{"name": "token", "x": {}}] * (size // 30),
    "numbers": lambda size: ["a", *[4111111111111111] * (size // 17)],
    "labels": lambda size: [{"encoding": "base64"}] * (size // 22),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_work_grows_with_the_text_and_not_faster(redactor: Redactor, kind: str) -> None:
    """Bytes that the deciders look at are counted: twice the text, twice the bytes."""
    small, large = (_looked_at(redactor, orjson.dumps(HOSTILE[kind](size))) for size in (20_000, 80_000))
    assert large <= 5 * small + 40_000


def _looked_at(redactor: Redactor, text: bytes) -> int:
    import cProfile

    profile = cProfile.Profile()
    profile.enable()
    redactor.encoded(text)
    profile.disable()
    return sum(row.callcount for row in profile.getstats())
