"""The face: captures, entries and encoded JSON in, the same without their secrets out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from itertools import count
from typing import Any

from packhorse.errors import RedactionError
from packhorse.model import HAR_ENTRIES, EntryStream
from packhorse.redact.encodings import redact_bytes
from packhorse.redact.engine import Engine
from packhorse.redact.marker import Marker
from packhorse.redact.own_rules import OwnRules
from packhorse.redact.refusal import inside, refusal
from packhorse.redact.rules import Rules, builtin_rules
from packhorse.redact.scanner import ScannerName, Scanners
from packhorse.redact.work import Marks, Work
from packhorse.units import KIB

#: Entries are encoded and scanned in runs of about this size: one by one they cost as much as several kilobytes.
RUN_BYTES = 256 * KIB


class Redactor:
    """Replaces secrets by short keyed digests (``[redacted:1a2b3c4d]``). Thread-safe: one serves all threads.

    Args:
        rules: What is secret; None takes the packaged list.
        key: 1 to 64 bytes that key the digests; None takes a random key, so that equal secrets look equal within this
            object's life only.
        scanner: ``auto`` takes the compiled one where it is built, else Hyperscan where it is installed, else
            ``plain``. All lead to the same.

    Raises:
        InputError: The key is empty or longer than 64 bytes.
        UnavailableError: ``scanner="hyperscan"`` and it is not installed.
    """

    def __init__(self, rules: Rules | None = None, key: bytes | None = None, *, scanner: ScannerName = "auto") -> None:
        self._marker = Marker(key)
        self._rules = builtin_rules() if rules is None else rules
        self._own = bool(self._rules.regex or self._rules.json_path)
        self._engine = Engine(self._rules, Scanners(scanner))
        # Not with this module, which much imports that never redacts; nor later, for the reason that scanner.py tells.
        self._objects = import_module("packhorse.redact.objects")

    def encoded(self, data: bytes) -> bytes:
        """JSON text without its secrets: the same object when it holds none. The fast way.

        What comes out is JSON as well, and differs in the replaced values only. Holds the interpreter's lock for about
        a millisecond at a time.

        Args:
            data: UTF-8, as any encoder writes it: a whole capture, an element of one, or a run of whole elements with
                commas or line ends between them.

        Raises:
            RedactionError: It could not be checked. It must not be passed on.
        """
        try:
            marks = Marks(self._marker)
            new = self._redacted(data, marks)
            if self._own:
                new = self._by_own_rules(new, marks)
        except Exception as error:  # noqa: BLE001
            raise _unchecked(error) from None
        marks.done()
        return new

    def places(self, data: bytes) -> list[tuple[int, str]]:
        """Where in JSON text something would be replaced, and by which rule; nothing is counted in :meth:`report`.

        The rule is empty where a text within is written anew, as base64 is. Of rules of one's own the place is not
        known: it is -1.

        Raises:
            RedactionError: It could not be checked.
        """
        marks = Marks(self._marker)
        try:
            work = Work(data, self._engine.tools, marks)
            found = [(start, rule) for start, _, _, rule, _ in self._engine.edits(work)]
            if self._own:
                marks.counts.clear()
                self._by_own_rules(data, marks)
                found += [(-1, rule) for rule, count in marks.counts.items() for _ in range(count)]
        except Exception as error:  # noqa: BLE001
            raise _unchecked(error) from None
        return sorted(found)

    def entry(self, entry: Any) -> Any:
        """One HAR entry, or any JSON-able element, without its secrets.

        The caller's object is never changed. Parts without secrets are shared with it, and an element without any
        is handed back itself.

        Raises:
            RedactionError: The element could not be checked. It must not be passed on.
        """
        try:
            return self._run((entry,))[0]
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
            return self._bytes(bytes(capture))
        if isinstance(capture, (list, tuple)):
            return _kept(capture, self._all(capture, ()))
        return self._document(capture)

    def report(self) -> Mapping[str, int]:
        """How many values were replaced so far, by rule. Never a value."""
        return self._marker.counts()

    def _redacted(self, data: bytes, marks: Marks) -> bytes:
        work = Work(data, self._engine.tools, marks)
        self._engine.edits(work)
        return work.result()

    def _bytes(self, raw: bytes) -> bytes:
        try:
            marks = Marks(self._marker)
            new = redact_bytes(Work(b"", self._engine.tools, marks), raw)
        except Exception as error:  # noqa: BLE001
            raise RedactionError(f"checking bytes for secrets failed ({type(error).__name__})") from None
        marks.done()
        return new

    def _by_own_rules(self, data: bytes, marks: Marks) -> bytes:
        own = OwnRules(self._rules, lambda secret, rule: marks.mark(secret, rule).decode())
        try:
            elements, between = json.loads(b"[" + data + b"]"), b","
        except ValueError:
            elements, between = [json.loads(line) for line in data.splitlines() if line.strip()], b"\n"
        new = [own.element(element) for element in elements]
        if all(a is b for a, b in zip(new, elements, strict=True)):
            return data
        return between.join(json.dumps(element, separators=(",", ":")).encode() for element in new)

    def _run(self, entries: Sequence[Any], texts: Sequence[bytes] | None = None) -> list[Any]:
        """Elements without their secrets, in one scan; counted when all of them are done."""
        objects = self._objects
        marks = Marks(self._marker)
        if texts is None:
            texts = [self._text(entry, marks) for entry in entries]
        joined = texts[0] if len(texts) == 1 else b",".join(texts)
        new = self._redacted(joined, marks)
        done = list(entries)
        if new is not joined or any(isinstance(text, _Changed) for text in texts):
            read = objects.loads(b"[" + new + b"]")
            done = [objects.graft(a, b) for a, b in zip(done, read, strict=True)]
        if self._own:
            own = OwnRules(self._rules, lambda secret, rule: marks.mark(secret, rule).decode())
            done = [own.element(element) for element in done]
        marks.done()
        return done

    def _text(self, entry: Any, marks: Marks) -> bytes:
        changed = False

        def inner(raw: bytes) -> bytes:
            nonlocal changed
            new = redact_bytes(Work(b"", self._engine.tools, marks), raw)
            changed = changed or new is not raw
            return new

        text = self._objects.dumps(entry, inner)
        return _Changed(text) if changed else text

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
        done: list[Any] = []
        run: list[Any] = []
        size_bytes = 0
        for entry in entries:
            run.append(entry)
            size_bytes += _size_bytes(entry)
            if size_bytes >= RUN_BYTES:
                done += self._several(run, path, len(done))
                run, size_bytes = [], 0
        return done + self._several(run, path, len(done)) if run else done

    def _several(self, run: list[Any], path: tuple[str, ...], first: int) -> list[Any]:
        try:
            return self._run(run)
        except Exception:  # noqa: BLE001  # one by one, it is told which one it is
            return list(map(partial(self._at, path), run, count(first)))

    def _each(self, entries: Iterable[Any], path: tuple[str, ...]) -> Iterator[Any]:
        return map(partial(self._at, path), entries, count())  # holds on to no entry, as a generator would

    def _at(self, path: tuple[str, ...], entry: Any, index: int) -> Any:
        try:
            return self.entry(entry)
        except RedactionError as error:
            raise inside(error, *path, index) from None


def _unchecked(error: Exception) -> RedactionError:
    """The refusal of a text; what another error says may hold content."""
    if isinstance(error, RedactionError):
        return error
    return RedactionError(f"checking JSON text for secrets failed ({type(error).__name__})")


class _Changed(bytes):
    """The text of an element in which bytes were replaced already."""


def _size_bytes(entry: Any) -> int:
    """About how much an entry is: its bodies and a little."""
    try:
        return 4 * KIB + len(entry["response"]["content"].get("text") or "")
    except (AttributeError, KeyError, TypeError):
        return 16 * KIB


def _kept(old: Any, new: list[Any]) -> Any:
    return old if all(a is b for a, b in zip(old, new, strict=True)) else new
