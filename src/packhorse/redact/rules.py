"""Rules as data: the packaged list, a user's TOML file, and the two joined."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from packhorse.errors import InputError
from packhorse.redact.jsonpath import JsonPath


class RulesError(InputError):
    """A file of redaction rules is missing, unreadable or does not follow the schema."""


@dataclass(frozen=True, slots=True)
class TokenRule:
    """A secret known by its own shape.

    Attributes:
        name: The rule's name in the report.
        pattern: What is replaced, whole.
        needles: Every match contains one of these.
        scan: ``pattern`` for the fast scanner: without look-around, no longer than decides it, ending within a match.
        leads: Letters and digits right before a needle belong to the secret.
        front: Bytes one of which stands before a needle, unless the text begins there; empty for any.
    """

    name: str
    pattern: re.Pattern[bytes]
    needles: tuple[str, ...]
    scan: str
    leads: bool = False
    front: bytes = b""


@dataclass(frozen=True, slots=True)
class RegexRule:
    """A user's pattern.

    Attributes:
        name: The rule's name in the report.
        pattern: What is replaced, whole, in every text.
    """

    name: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is secret. Names are as written in TOML: compared without case and separators;
    ``*`` is any beginning, or any middle.

    Attributes:
        anywhere: Keys of any object, and names of headers, parameters, fields, parts and cookies.
        header, query, form, cookie: Further names in that one place. A cookie ``*`` means every cookie.
        followed_by: Words that may follow a name of ``anywhere`` or ``header`` and leave it secret.
        keep: Names that are never secret by name (their values are still searched for tokens).
        json_path: Places in a JSON document: an element of the capture, or a JSON body.
        token: Built-in secrets known by their shape.
        regex: The user's patterns, applied to every text.
    """

    anywhere: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    form: tuple[str, ...] = ()
    cookie: tuple[str, ...] = ()
    followed_by: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    json_path: tuple[JsonPath, ...] = ()
    token: tuple[TokenRule, ...] = ()
    regex: tuple[RegexRule, ...] = ()

    def joined(self, other: Rules) -> Rules:
        """The rules of both."""
        return replace(self, **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


_NAME_LISTS = ("anywhere", "header", "query", "form", "cookie", "followed_by", "keep")
#: Before a token that no letter or digit stands before: but the letter of an escape may.
_ALONE = rb"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
#: What that lets through, and a little more.
_ALONE_FRONT = bytes(
    byte for byte in range(256) if not chr(byte).isalnum() or byte > 127 or byte in b"abcdefABCDEFnrt0123456789"
)
_NAME = re.compile(r"\*|\*?[^*\s][^*]*|[^*\s]+\*[^*]*[^*\s]")


@cache
def builtin_rules() -> Rules:
    """The packaged list (``builtin.toml``)."""
    text = files("packhorse.redact").joinpath("builtin.toml").read_text("utf-8")
    table = tomllib.loads(text)
    tokens = tuple(
        TokenRule(
            name=row["name"],
            pattern=re.compile((_ALONE if row.get("alone") else b"") + b"(?:" + pattern.encode() + b")"),
            needles=tuple(needles),
            scan=scan,
            leads=row.get("leads", False),
            front=_ALONE_FRONT if row.get("alone") else row.get("front", "").encode(),
        )
        for row in table.pop("token")
        for needles, pattern, scan in row.get("forms") or [(row["needles"], row["pattern"], row["scan"])]
    )
    return replace(_read(table, "builtin.toml"), token=tokens)


def load_rules(path: str | Path) -> Rules:
    """Read a user's rules; the packaged list is included unless the file says ``builtin = false``.

    Args:
        path: A TOML file with any of ``anywhere``, ``header``, ``query``, ``form``, ``cookie``, ``keep``, ``json_path``
            (lists of text), ``[[regex]]`` tables with ``name`` and ``pattern``, and ``builtin``.

    Raises:
        RulesError: The file cannot be read or does not follow the schema; the message names file and field.
    """
    name = str(path)
    try:
        table = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise RulesError(f"{name}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulesError(f"{name}: not TOML ({error})") from None
    builtin = table.pop("builtin", True)
    if not isinstance(builtin, bool):
        raise RulesError(f"{name}: builtin: write true or false")
    own = _read(table, name)
    return builtin_rules().joined(own) if builtin else own


def _read(table: Mapping[str, Any], source: str) -> Rules:
    known = {*_NAME_LISTS, "json_path", "regex"}
    for key in table:
        if key not in known:
            raise RulesError(f"{source}: {key}: unknown field; known are builtin, {', '.join(sorted(known))}")
    names: dict[str, Any] = {field: _names(table.get(field, []), source, field) for field in _NAME_LISTS}
    return Rules(**names, json_path=_paths(table, source), regex=_regexes(table, source))


def _names(value: Any, source: str, field: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise RulesError(f"{source}: {field}: must be a list of names")
    for index, name in enumerate(value):
        if not isinstance(name, str) or not _NAME.fullmatch(name) or (name == "*" and field != "cookie"):
            raise RulesError(
                f"{source}: {field}[{index}]: must be a name, * and the end of one, or its two ends around a *"
            )
        if name != "*" and not re.search(r"[a-zA-Z0-9]", name):
            raise RulesError(f"{source}: {field}[{index}]: has no ASCII letter or digit")
    return tuple(value)


def _paths(table: Mapping[str, Any], source: str) -> tuple[JsonPath, ...]:
    texts = table.get("json_path", [])
    if not isinstance(texts, list):
        raise RulesError(f"{source}: json_path: must be a list of paths")
    paths = []
    for index, text in enumerate(texts):
        try:
            paths.append(JsonPath.parse(text))
        except ValueError as error:
            raise RulesError(f"{source}: json_path[{index}]: {error}") from None
    return tuple(paths)


def _regexes(table: Mapping[str, Any], source: str) -> tuple[RegexRule, ...]:
    rows = table.get("regex", [])
    if not isinstance(rows, list):
        raise RulesError(f"{source}: regex: must be [[regex]] tables")
    rules = []
    for index, row in enumerate(rows):
        where = f"{source}: regex[{index}]"
        if (
            not isinstance(row, dict)
            or set(row) != {"name", "pattern"}
            or not all(isinstance(v, str) for v in row.values())
        ):
            raise RulesError(f"{where}: must have exactly name and pattern, both text")
        try:
            pattern = re.compile(row["pattern"])
        except re.error as error:
            raise RulesError(f"{where}.pattern: {error}") from None
        if pattern.match(""):
            raise RulesError(f"{where}.pattern: matches the empty text, so it would match everywhere")
        rules.append(RegexRule(f"regex:{row['name']}", pattern))
    return tuple(rules)
