r"""What a scan looks for: patterns over bytes that match wherever a rule could find something, and seldom elsewhere.

A scan only decides whether the careful, slow rules run. So each pattern here is wider than its rule: it does not know
where in a document it stands, accepts the quotes of JSON within JSON (``\"``), and stops short of replaced values.
Patterns use what ``re`` and Hyperscan read alike: ASCII classes, no look-around, no back-references.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from packhorse.redact.cards import holds_card
from packhorse.redact.rules import Rules

#: The signals that are not token rules. NAME: a secret name with something after it that looks like its value.
#: ESCAPED: letters hidden behind escapes, so that NAME cannot be trusted to be absent.
#: ENCODED: an object says that a text in it is base64, which no other signal sees through.
NAME, USERINFO, CARD, ESCAPED, ENCODED = "name", "userinfo", "card", "escaped", "encoded"
STRUCTURAL = frozenset({NAME, ESCAPED, ENCODED})


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing a scan looks for.

    Attributes:
        name: Reported when it is found.
        pattern: Over bytes; see the module.
        needles: Every match contains one of them (in lower case when ``caseless``). Empty: no such literal is known.
        caseless: ASCII letters match both cases.
        confirm: None, or ``(text, end) -> bool``: a closer look at one match, which ends before ``end``.
        head: Of a name, the pattern of the name alone, with what stands before it when the name must be whole.
        words: Of a name, its words.
        whole: Of a name, that nothing may stand before it.
        branches: Of a pattern that is an alternation, its branches; each begins with a literal.
        hint: A pattern that an automaton finds faster and that ends within every match of ``pattern``, but elsewhere,
            too; empty when ``pattern`` is fast.
    """

    name: str
    pattern: bytes
    needles: tuple[bytes, ...] = ()
    caseless: bool = False
    confirm: Callable[[bytes, int], bool] | None = None
    head: bytes = b""
    words: tuple[bytes, ...] = ()
    whole: bool = False
    branches: tuple[bytes, ...] = ()
    hint: bytes = b""


_SEPARATOR = r"[-_. \[\]]{0,2}"
#: What stands before a whole name. Hex digits are the ends of %3F, %26, %253F …; n, r, t those of escaped line ends.
_START = r"(?:^|[?&;#\"'\s,{<:]|3f|26|23|3b|\\[nrt])"
#: What follows a name at once; its last byte is where ``after`` is tried.
_END = r"[\])]{0,2}(?:\\*[\"']|[=:%>]| =|\\u)"
AFTER_NAME = _END.encode()
#: One character between words; one before a whole name, wider than _START (which a look-behind cannot hold).
SEPARATORS = rb"[-_. \[\]]"
BEFORE_NAME = rb"(?<![^?&;#\"'\s,{<:f63bnrt])"

#: A JSON value that is neither empty, nor a marker, nor true, false or null.
_JSON_VALUE = r"\s*(?:[0-9-]|\[[^\]]|\{[^}]|\\*[\"'](?:[^\[\"'\\]|\[[^r]|\\[^\"'\\]|\\\\[^\"'\\]))"
_ASSIGNED = r"(?:[^\[&\s\"'\\;]|\[[^r]|\\u|\\\\u)"
_PAIR = rf"\s*(?:(?P<last>\}})|,\s*\\*\"(?:[^v\\]|v[^a]|value\\*\"\s*:{_JSON_VALUE}))"
#: name=value · name%3Dvalue · name%5D=value · "name","value": value · "name"}
_AFTER_PARAM = re.compile(rf"(?:(?:%5d){{0,2}}(?:=|%(?:25){{0,3}}3d|u003d){_ASSIGNED}|%5b|[\"']{_PAIR})".encode())
#: A value in quotes behind a bare name, as in scripts: told from a label by its length and a digit or a sign in it.
QUOTED_VALUE = r"(?=[^\"'`\s\\<>]*[0-9!@#$^*+])[^\"'`\s\\<>\[][^\"'`\s\\<>]{5,}"
#: … and "name": value · name: value · </name> · name = "value"
_AFTER_KEY = re.compile(
    rf"(?:[=:]\s{{0,3}}\\*[\"'`]{QUOTED_VALUE}"
    rf"|(?:%5d){{0,2}}(?:=|%(?:25){{0,3}}3d|u003d){_ASSIGNED}|%5b|:\s*(?:[^\[\s\"'\\/]|\[[^r])|>"
    rf"|[\"'](?:\s*:{_JSON_VALUE}|{_PAIR}))".encode()
)
#: Letters, digits, - . _ written as \u00XX or %XX: nothing ordinary does that.
_PLAIN_HEX = r"(?:2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9a])"
_ESCAPES = (rf"\\u00{_PLAIN_HEX}".encode(), rf"%(?:25){{0,3}}{_PLAIN_HEX}".encode())
#: First digits of the payment networks (ISO/IEC 7812 ranges in use), then enough digits, singly separated.
_CARD = (
    r"(?:^|[^0-9.a-f_]|[^0-9]\.)(?:2[2-7]|3[04-9]|[4-6][0-9])"
    r"(?:[0-9]{11}|[0-9]{2}(?:[ +-]|%20|\\u0020)[0-9]{4}(?:[ +-]|%20|\\u0020|[0-9][0-9](?:[ +-]|%20|\\u0020))[0-9]{4})"
)
#: Thirteen digits, or the first two groups of a card.
_CARD_HINT = r"(?:^|[^0-9.]|[^0-9]\.)[2-6][0-9]{3}(?:[0-9]{9}|(?:[ +-]|%20|\\u0020)[0-9]{4})"
_USERINFO = r":(?:\\*/){2}[^/\\\s\"'<>@?#:]{0,256}:[^/\\\s\"'<>@?#]{1,256}@"
_USERINFO_HINT = r"/[^/\\\s\"'<>@?#:]*:[^/\\\s\"'<>@?#]+@"
_ENCODED = (
    r"base64encoded\\*\"\s{0,64}:\s{0,64}true|encoding\\*\"\s{0,64}:\s{0,64}\\*\"base64"
    r"|opcode\\*\"\s{0,64}:\s{0,64}2|base64_string|transfer-encoding:\s{0,64}base64"
)

#: Bytes looked at around a match. No pattern reads further.
_BEFORE_BYTES, _AFTER_BYTES, _ATTRIBUTE_BYTES = 256, 512, 110
_NAME_BEFORE = re.compile(rb"(?:name|key)\\*\"\s*:\s*\\*\"[^\"\\]{0,100}\\*\"$")


def _confirm_key(text: bytes, end: int) -> bool:
    return _confirm(_AFTER_KEY, text, end)


def _confirm_param(text: bytes, end: int) -> bool:
    return _confirm(_AFTER_PARAM, text, end)


def _confirm(after: re.Pattern[bytes], text: bytes, end: int) -> bool:
    match = after.match(text[end - 1 : end + _AFTER_BYTES].lower())
    # "token"} ends an object: a name only when it stands as one, in {"value": "…", "name": "token"}.
    if match is not None and (
        match["last"] is None or _NAME_BEFORE.search(text[max(0, end - _BEFORE_BYTES) : end].lower()) is not None
    ):
        return True
    # <input name="token" …> and Content-Disposition: form-data; name="token". Whatever follows: the brace may be
    # another text's, where several are scanned at once.
    return text[end - 1 : end] in (b'"', b"'") and b"name=" in text[max(0, end - _ATTRIBUTE_BYTES) : end].lower()


def _confirm_card(text: bytes, end: int) -> bool:
    around = text[max(0, end - 48) : end + 48].decode("latin-1").replace("\\u0020", " ")
    return holds_card(around)


def _names(names: Iterable[str], confirm: Callable[[bytes, int], bool]) -> list[Signal]:
    signals = []
    for written in sorted(set(names) - {"*"}):
        words = [word for word in re.split(r"[^a-z0-9]+", written.lower()) if word]
        head = (_SEPARATOR.join(words) if written.startswith("*") else _START + _SEPARATOR.join(words)).encode()
        signals.append(
            Signal(
                NAME,
                head + AFTER_NAME,
                caseless=True,
                confirm=confirm,
                head=head,
                words=tuple(word.encode() for word in words),
                whole=not written.startswith("*"),
            )
        )
    return signals


def signals_of(rules: Rules) -> tuple[Signal, ...]:
    """Every signal of these rules, in a fixed order. The user's regex and path rules have none: they always run."""
    keys = {*rules.anywhere, *rules.header}
    params = {*rules.query, *rules.form, *rules.cookie} - keys
    tokens = [Signal(t.name, t.scan.encode(), tuple(n.encode() for n in t.needles)) for t in rules.token if t.scan]
    return (
        *tokens,
        *_names(keys, _confirm_key),
        *_names(params, _confirm_param),
        Signal(ENCODED, _ENCODED.encode(), (b"base64", b"opcode"), caseless=True),
        Signal(USERINFO, _USERINFO.encode(), (b"@",), hint=_USERINFO_HINT.encode()),
        Signal(CARD, _CARD.encode(), confirm=_confirm_card, caseless=True, hint=_CARD_HINT.encode()),
        Signal(ESCAPED, b"|".join(_ESCAPES), caseless=True, branches=_ESCAPES),
    )
