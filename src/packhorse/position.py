"""Where in a capture something is, as a JSON path that tells nothing of its content: ``$.log.entries[3].request``.

Keys are content, too: those that HAR itself defines are told, any other one is ``*``. Encoders and redaction do not
keep track of where they are. Only when one of them has refused something, the capture is walked once more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

#: One step of the way to a value: a key of an object or an index of a list.
Path = tuple[str | int, ...]

#: Values that are looked at; what lies behind them is not found. At about 0.5 µs a value, a tenth of a second.
MOST_VALUES = 200_000
#: Steps that are told. HAR itself has no more than eight.
MOST_STEPS = 16

#: HAR 1.2 (the archive's specification, "HAR data structure"), and what the exports of Chromium and Firefox add.
_KNOWN = frozenset({
    "log", "version", "creator", "browser", "pages", "entries", "comment", "name", "startedDateTime", "id", "title",
    "pageTimings", "onContentLoad", "onLoad", "pageref", "time", "request", "response", "cache", "timings",
    "serverIPAddress", "connection", "method", "url", "httpVersion", "cookies", "headers", "queryString",
    "postData", "headersSize", "bodySize", "status", "statusText", "content", "redirectURL", "path", "domain",
    "expires", "httpOnly", "secure", "sameSite", "mimeType", "params", "text", "value", "fileName", "contentType",
    "size", "compression", "encoding", "beforeRequest", "afterRequest", "lastAccess", "eTag", "hitCount", "blocked",
    "dns", "connect", "send", "wait", "receive", "ssl", "_blocked_queueing", "_blocked_proxy", "_connectionId",
    "_error", "_fetchedViaServiceWorker", "_fromCache", "_initiator", "_priority", "_resourceType", "_transferSize",
    "_webSocketMessages", "type", "opcode", "data",
})  # fmt: skip


def show(path: Sequence[str | int]) -> str:
    """A path for a message: ``$.log.entries[3].*``. Keys that HAR does not define and distant steps are left out."""
    told = path[:MOST_STEPS]
    steps = (f"[{step}]" if isinstance(step, int) else f".{step if step in _KNOWN else '*'}" for step in told)
    return "$" + "".join(steps) + ("..." if len(path) > MOST_STEPS else "")


def within(path: Sequence[str | int], position: str | None) -> str | None:
    """``position``, which is a part's own, as one of the whole, in which the part is at ``path``."""
    if not path:
        return position
    return show(path) + (position or "$").removeprefix("$")


def find(root: Any, wrong: Callable[[Any], bool]) -> Path | None:
    """The way to the first value for which ``wrong`` is true; None when there is none, or it lies too far behind."""
    try:
        return next((tuple(path) for path, value, _ in _walk(root) if wrong(value)), None)
    except Exception:  # noqa: BLE001  # a hostile object: then it is not known where
        return None


def raising(value: Any) -> bool:
    """True for a value that raises when it is read: an object with a will of its own, an integer of too many digits."""
    try:
        if isinstance(value, int):
            str(value)
        elif isinstance(value, dict) and type(value) is not dict:
            _read(value.items())
            value.get("")
        elif isinstance(value, (list, tuple)) and type(value) not in (list, tuple):
            _read(value)
            len(value)
    except Exception:  # noqa: BLE001
        return True
    return False


def _read(values: Iterable[Any]) -> None:
    """Of what a subclass hands out, which may have no end, as much as is looked at anywhere."""
    deque(islice(values, MOST_VALUES), maxlen=0)


def find_loop(root: Any) -> tuple[Path, int | None] | None:
    """Why ``root`` has no end: the way to what contains itself and None, or to the deepest value and its depth.

    Of the latter way only the beginning.
    """
    deepest: Path = ()
    depth = 0
    try:
        for path, _, again in _walk(root):
            if again:
                return tuple(path), None
            if len(path) > depth:
                deepest, depth = tuple(path[: MOST_STEPS + 1]), len(path)
    except Exception:  # noqa: BLE001  # as above
        return None
    return deepest, depth


def _walk(root: Any) -> Iterator[tuple[list[str | int], Any, bool]]:
    """Every value in the order of the text: its path (which changes later on), and whether it is inside itself."""
    path: list[str | int] = []
    yield path, root, False
    open_ids = [id(root)]
    inside = {id(root)}
    turns = [_children(root)]
    for _ in range(MOST_VALUES):
        step, value = next(turns[-1], (None, None))
        while step is None:
            turns.pop()
            inside.discard(open_ids.pop())
            if not turns:
                return
            path.pop()
            step, value = next(turns[-1], (None, None))
        path.append(step)
        again = id(value) in inside
        yield path, value, again
        if again or not isinstance(value, (dict, list, tuple)):
            path.pop()
        else:
            open_ids.append(id(value))
            inside.add(id(value))
            turns.append(_children(value))


def _children(value: Any) -> Iterator[tuple[str | int, Any]]:
    # Not value.items() and the like: a subclass's own may do anything.
    if isinstance(value, dict):
        return ((key if type(key) is str else "", child) for key, child in dict.items(value))
    if isinstance(value, (list, tuple)):
        return enumerate(list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value))
    return iter(())
