"""Objects of any shape: every key, every string, at any depth. Unchanged parts are shared, nothing is mutated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, TypeVar

from packhorse.errors import RedactionError
from packhorse.redact import jsontext
from packhorse.redact.bodies import redact_base64, redact_bytes
from packhorse.redact.cards import is_card
from packhorse.redact.context import HARMLESS_WORDS, LOOK_AHEAD_VALUES, Context
from packhorse.redact.names import Place
from packhorse.redact.params import redact_cookie_pairs
from packhorse.units import KIB

#: What is written as JSON to be scanned at once. A longer object is scanned by itself.
_LOT_BYTES, _LOT_OBJECTS = 128 * KIB, 128
_T = TypeVar("_T")

#: Keys under which the names have a place of their own (HAR 1.2, DevTools protocol, VCR and betamax cassettes).
_PLACES: dict[str, Place] = {
    "headers": "header",
    "requestheaders": "header",
    "responseheaders": "header",
    "rawheaders": "header",
    "trailers": "header",
    "querystring": "query",
    "query": "query",
    "queryparams": "query",
    "params": "form",
    "formdata": "form",
    "form": "form",
    "postdata": "form",
    "cookies": "cookie",
    "requestcookies": "cookie",
    "responsecookies": "cookie",
}
_COOKIE_HEADERS = frozenset({"cookie", "set-cookie"})


def walk(ctx: Context, value: Any, place: Place, depth: int) -> Any:
    """One JSON-able value with its secrets replaced; the same object when there are none.

    Raises:
        RedactionError: A value of a type that cannot be checked.
    """
    if isinstance(value, str):
        return ctx.text(value, depth=depth)
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return ctx.marker.mark(str(value), "card") if value > 10**12 and is_card(str(value)) else value
    if isinstance(value, dict):
        return _walk_dict(ctx, value, place, depth)
    if isinstance(value, (list, tuple)):
        return _walk_list(ctx, value, place, depth)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return redact_bytes(ctx, bytes(value), "", depth)
    raise RedactionError(f"a value of type {type(value).__name__} cannot be checked for secrets")


def _walk_list(ctx: Context, values: Any, place: Place, depth: int) -> Any:
    if place == "header" and values and all(isinstance(item, str) for item in values):
        return _flat_pairs(ctx, values, depth)
    new: list[Any] = []
    for lot in _lots(values, LOOK_AHEAD_VALUES):
        clean = _clean_objects(ctx, enumerate(lot), place)
        ctx.look_ahead(lot)
        new += [item if index in clean else walk(ctx, item, place, depth) for index, item in enumerate(lot)]
    same = all(a is b for a, b in zip(new, values, strict=True))
    return values if same else new


def _lots(values: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    left = iter(values)
    while lot := tuple(islice(left, size)):
        yield lot


def _clean_objects(ctx: Context, children: Iterable[tuple[Any, Any]], place: Place, *, named: bool = False) -> set[Any]:
    """Keys or indices of the objects and lists in which a scan finds nothing: far cheaper than a walk.

    Every cookie is secret, scanned or not. With ``named`` the keys are names, which the scan has to see, too.
    """
    if ctx.always or place == "cookie":
        return set()
    clean: set[Any] = set()
    texts: dict[Any, bytes] = {}
    size_bytes = 0
    for key, child in children:
        text = jsontext.scannable({key: child} if named else child) if isinstance(child, (dict, list)) else None
        if text is None:
            continue
        texts[key] = text
        size_bytes += len(text)
        if size_bytes >= _LOT_BYTES or len(texts) >= _LOT_OBJECTS:
            clean |= _without_signals(ctx, texts)
            texts, size_bytes = {}, 0
    return clean | _without_signals(ctx, texts) if texts else clean


def _without_signals(ctx: Context, texts: dict[Any, bytes]) -> set[Any]:
    found, _ = ctx.suspected(list(texts.values()))
    return {key for number, key in enumerate(texts) if number not in found}


def _flat_pairs(ctx: Context, values: Any, depth: int) -> Any:
    """``[name, value]`` and Node's ``rawHeaders``: names and values in turn."""
    new = list(values)
    for index in range(0, len(values), 2):
        name = values[index]
        if index + 1 == len(values):
            new[index] = ctx.text(name, depth=depth)
        else:
            new[index + 1] = under_name(ctx, name, values[index + 1], "header", depth)
    return values if new == list(values) else new


def _walk_dict(ctx: Context, value: dict[Any, Any], place: Place, depth: int) -> dict[Any, Any]:
    changed: dict[Any, Any] = {}
    name = value.get("name", value.get("key"))
    if isinstance(name, str) and "value" in value:
        new = under_name(ctx, name, value["value"], place, depth)
        if new is not value["value"]:
            changed["value"] = new
        # In an object with a name and a value, the other keys (domain, path, comment) are no names of this place.
        place = "anywhere"
        skip: tuple[str, ...] = ("value", "name", "key")
    else:
        skip = _body(ctx, value, changed, depth)
    new_keys: dict[str, str] = {}
    for lot in _lots(value.items(), LOOK_AHEAD_VALUES // 2):
        clean = _clean_objects(ctx, lot, place, named=True)
        ctx.look_ahead(chain.from_iterable(lot))
        for key, child in lot:
            if isinstance(key, str) and len(key) > 12 and (new := ctx.text(key, depth=depth)) != key:
                new_keys[key] = new
            if key in skip or key in clean:
                continue
            new = walk_child(ctx, key, child, place, depth)
            if new is not child:
                changed[key] = new
    if new_keys:
        return {new_keys.get(key, key): changed.get(key, child) for key, child in value.items()}
    return {**value, **changed} if changed else value


def walk_child(ctx: Context, key: Any, child: Any, place: Place, depth: int) -> Any:
    """What stands under a key of an object: in a place of its own (``headers``), or under a name."""
    if not isinstance(key, str):
        return walk(ctx, child, place, depth)
    inner = _PLACES.get(key.lower())
    if inner is not None and isinstance(child, (dict, list, tuple)):
        return walk(ctx, child, inner, depth)
    return under_name(ctx, key, child, place, depth)


def under_name(ctx: Context, name: str, value: Any, place: Place, depth: int) -> Any:
    """A value that stands under a name: replaced when the name is secret, otherwise searched."""
    if ctx.books[place].secret(name):
        return hide(ctx, value, "key" if place == "anywhere" else place)
    if isinstance(value, str):
        if name.lower() in _COOKIE_HEADERS:
            value = redact_cookie_pairs(ctx, value)
        return ctx.text(value, depth=depth)
    return walk(ctx, value, "anywhere" if place == "cookie" else place, depth)


def hide(ctx: Context, value: Any, rule: str) -> Any:
    """Every text and number in a value replaced: all of it is secret. True, false and null stay."""
    if isinstance(value, str):
        return value if value.strip().lower() in HARMLESS_WORDS else ctx.marker.mark(value, rule)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return ctx.marker.mark(str(value), rule)
    if isinstance(value, dict):
        return {key: hide(ctx, child, rule) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [hide(ctx, child, rule) for child in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return ctx.marker.mark(bytes(value).decode("latin-1"), rule).encode()
    raise RedactionError(f"a value of type {type(value).__name__} cannot be checked for secrets")


def _body(ctx: Context, value: dict[Any, Any], changed: dict[Any, Any], depth: int) -> tuple[str, ...]:
    """Bodies that an object declares: HAR content and postData, DevTools and WebSocket base64, betamax."""
    mime = value.get("mimeType", "")
    mime = mime.lower() if isinstance(mime, str) else ""
    encoding = value.get("encoding")
    base64 = isinstance(encoding, str) and encoding.lower() == "base64"
    candidates: list[tuple[str, Callable[..., str]]] = []
    if "text" in value and ("mimeType" in value or base64):
        candidates.append(("text", redact_base64 if base64 else _text))
    if value.get("base64Encoded") is True:
        candidates.append(("body", redact_base64))
    if value.get("opcode") == 2:
        candidates += [("data", redact_base64), ("payloadData", redact_base64)]
    candidates.append(("base64_string", redact_base64))
    done = []
    for key, redact in candidates:
        text = value.get(key)
        if isinstance(text, str):
            new = redact(ctx, text, mime, depth)
            if new is not text:
                changed[key] = new
            done.append(key)
    return tuple(done)


def _text(ctx: Context, text: str, mime: str, depth: int) -> str:
    return ctx.text(text, mime, depth)
