"""The face: captures and entries in, the same without their secrets out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import orjson

from packhorse.errors import PackhorseError, RedactionError
from packhorse.model import HAR_ENTRIES, EntryStream
from packhorse.redact.bodies import redact_base64, redact_bytes
from packhorse.redact.context import Context, Functions
from packhorse.redact.har import redact_entries
from packhorse.redact.marker import Marker
from packhorse.redact.refusal import inside, refusal
from packhorse.redact.rules import Rules, builtin_rules
from packhorse.redact.scanner import ScannerName, make_scan
from packhorse.redact.signals import signals_of
from packhorse.redact.texts import redact_text
from packhorse.redact.walk import walk

_FUNCTIONS = Functions(text=redact_text, base64=redact_base64, walk=walk)


class Redactor:
    """Replaces secrets by short keyed digests (``[redacted:1a2b3c4d]``). Thread-safe: one serves all threads.

    Args:
        rules: What is secret; None takes the packaged list.
        key: 1 to 64 bytes that key the digests; None takes a random key, so that equal secrets look equal within this
            object's life only.
        scanner: ``auto`` takes Hyperscan where it is installed; ``plain`` never does. Both find the same.
        prefilter: False runs every rule on every value, many times slower. For tests: the outcome must be the same.

    Raises:
        InputError: The key is empty or longer than 64 bytes.
        UnavailableError: ``scanner="hyperscan"`` and it is not installed.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        key: bytes | None = None,
        *,
        scanner: ScannerName = "auto",
        prefilter: bool = True,
    ) -> None:
        self._marker = Marker(key)
        in_force = builtin_rules() if rules is None else rules
        scan = make_scan(signals_of(in_force), scanner) if prefilter else None
        self._ctx = Context(in_force, self._marker, scan, _FUNCTIONS)

    def entry(self, entry: Any) -> Any:
        """One HAR entry, or any JSON-able element, without its secrets.

        The caller's object is never changed. Parts without secrets are shared with it, and an element without any
        is handed back itself.

        Raises:
            RedactionError: The element could not be checked. It must not be passed on.
        """
        try:
            if type(entry) is dict and not self._ctx.always:
                return redact_entries(self._ctx, (entry,))[0]
            new = self._ctx.walk(entry)
            for path in self._ctx.rules.json_path:
                new = path.apply(new, lambda found: found if found is None else self._marker.mark(found, "json-path"))
            return new
        except Exception as error:  # noqa: BLE001
            raise refusal(error, entry) from None

    def capture(self, capture: Any) -> Any:
        """A whole capture without its secrets.

        Args:
            capture: A HAR document, any JSON-able object, bytes of text, or an EntryStream, whose entries are redacted
                as they are read.

        Raises:
            RedactionError: Something in it could not be checked (for a stream: while it is read).
        """
        if isinstance(capture, EntryStream):
            entries = self._each(capture.entries, capture.path)
            return replace(capture, outline=self.entry(capture.outline), entries=entries)
        if isinstance(capture, (bytes, bytearray, memoryview)):
            try:
                return redact_bytes(self._ctx, bytes(capture), "", 0)
            except PackhorseError:
                raise
            except Exception as error:  # noqa: BLE001
                raise RedactionError(f"checking bytes for secrets failed ({type(error).__name__})") from None
        if isinstance(capture, (list, tuple)):
            return _kept(capture, self._all(capture, ()))
        return self._document(capture)

    def encoded(self, data: bytes) -> bytes:
        """JSON text, a whole capture or a list of its entries, without its secrets; ``data`` itself when it has none.

        Raises:
            RedactionError: Something in it could not be checked.
        """
        value = _read(data)
        new = self.capture(value)
        return data if new is value else _written(new)

    def _document(self, capture: Any) -> Any:
        log = capture.get(HAR_ENTRIES[0]) if isinstance(capture, dict) else None
        entries = log.get(HAR_ENTRIES[1]) if isinstance(log, dict) else None
        if not isinstance(log, dict) or not isinstance(entries, list):
            return self.entry(capture)
        outline = {**capture, HAR_ENTRIES[0]: {**log, HAR_ENTRIES[1]: []}}
        new_outline = self.entry(outline)
        new_entries = _kept(entries, self._all(entries, HAR_ENTRIES))
        if new_outline is outline and new_entries is entries:
            return capture
        return {**new_outline, HAR_ENTRIES[0]: {**new_outline[HAR_ENTRIES[0]], HAR_ENTRIES[1]: new_entries}}

    def _all(self, entries: Sequence[Any], path: tuple[str, ...]) -> list[Any]:
        if not self._ctx.always:
            # One by one, it is told where it is. What was marked until then is marked, and counted, once more.
            with suppress(Exception), self._marker.tentative():
                return redact_entries(self._ctx, entries)
        return list(self._each(entries, path))

    def _each(self, entries: Iterable[Any], path: tuple[str, ...]) -> Iterator[Any]:
        return map(partial(self._at, path), entries, count())  # holds on to no entry, as a generator would

    def _at(self, path: tuple[str, ...], entry: Any, index: int) -> Any:
        try:
            return self.entry(entry)
        except RedactionError as error:
            raise inside(error, *path, index) from None

    def report(self) -> Mapping[str, int]:
        """How many values were replaced so far, by rule. Never a value."""
        return self._marker.counts()


def _read(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:  # lone surrogates, or numbers and depths that the standard library takes
        return json.loads(data)


def _written(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def _kept(old: Any, new: list[Any]) -> Any:
    return old if all(a is b for a, b in zip(old, new, strict=True)) else new
