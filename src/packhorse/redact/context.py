"""What every redacting function needs: rules, scanner, marker, and the way back into the text rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Set
from dataclasses import dataclass
from itertools import islice
from typing import Any

from packhorse.redact.marker import Marker
from packhorse.redact.names import NameBook, Place
from packhorse.redact.rules import Rules
from packhorse.redact.scan_base import Scanner
from packhorse.redact.signals import signals_of
from packhorse.units import KIB

#: Texts within texts (JSON in a form field in JSON …) that are followed. Deeper ones are replaced whole.
MAX_NESTED_TEXTS = 12
#: Words that stand under secret names and are no secrets, such as ``credentials: "include"``.
HARMLESS_WORDS = frozenset({"", "true", "false", "null", "none", "undefined", "include", "omit", "same-origin", "*"})
#: Bounds on remembered texts: twice as many at the most, about 2 MB.
_REMEMBERED_CHARS, _MAX_REMEMBERED = 200, 5000
#: What one scan takes of several texts, which it joins: a copy, and a call of C that lets no other thread run. A longer
#: text is scanned by itself, as it is. A batch of HAR entries and a lot of :data:`LOOK_AHEAD_VALUES` fit in.
SCAN_BYTES, SCAN_TEXTS = 256 * KIB, 1024
#: Values that :meth:`Context.look_ahead` should be given at a time: many more would forget the first ones again.
LOOK_AHEAD_VALUES = 1000
_NOTHING: frozenset[str] = frozenset()
_PLACES: tuple[Place, ...] = ("anywhere", "header", "query", "form", "cookie")


@dataclass(frozen=True, slots=True)
class Functions:
    """The three ways in: ``(context, text, mime, depth)`` twice, and ``(context, value, place, depth)``."""

    text: Callable[[Context, str, str, int], str]
    base64: Callable[[Context, str, str, int], str]
    walk: Callable[[Context, Any, Place, int], Any]


class Context:
    """Shared by all threads: nothing in it changes but remembered names and counts.

    Args:
        rules: What is secret.
        marker: Makes and counts the markers.
        scan: Finds the signals of ``rules``, or None to run every rule on every text.
        functions: The rules for texts, objects and base64, which call each other through this object.
    """

    def __init__(
        self,
        rules: Rules,
        marker: Marker,
        scan: Scanner | None,
        functions: Functions,
    ) -> None:
        self.rules = rules
        self.marker = marker
        self.books: dict[Place, NameBook] = {place: NameBook(rules, place) for place in _PLACES}
        #: A user's patterns and paths are not in the scanner, so they make every text and object a suspect.
        self.always = scan is None or bool(rules.regex or rules.json_path)
        self._scan = scan
        #: Short texts without signals, which return in every entry. Texts with secrets are never kept.
        self._clean: set[str] = set()
        self._all_signals = frozenset(signal.name for signal in signals_of(rules))
        self._text = functions.text
        self._walk = functions.walk
        self._base64 = functions.base64

    def signals(self, text: str) -> frozenset[str]:
        """Names of what may be secret in a text, or of more than that; empty when nothing can be."""
        if self._scan is None:
            return self._all_signals
        if text in self._clean:
            return _NOTHING
        found = self._scan.suspects(text.encode("utf-8", "surrogatepass"))
        if not found and len(text) <= _REMEMBERED_CHARS:
            self._remember((text,))
        return found

    def _remember(self, texts: Iterable[str]) -> None:
        if len(self._clean) >= _MAX_REMEMBERED:
            self._clean = set()
        short = (text for text in texts if len(text) <= _REMEMBERED_CHARS)
        self._clean.update(islice(short, _MAX_REMEMBERED))

    def suspected(self, texts: list[bytes], values: Set[Any] = _NOTHING) -> tuple[Collection[int], Collection[Any]]:
        """In which of several texts something may be secret: few scans for all of them.

        Args:
            texts: UTF-8, told apart by their places.
            values: Hashable ones, told apart by what they are. Those without signals are remembered if they are short.

        Returns:
            Numbers of texts, and values; or more of either. Values that are no text are always among them.
        """
        if self._scan is None:
            return range(len(texts)), values
        fresh = values - self._clean
        if not fresh:
            return _scan_in_lots(self._scan, texts), ()
        strings = [value for value in fresh if type(value) is str]
        found = _scan_in_lots(self._scan, texts + [value.encode("utf-8", "surrogatepass") for value in strings])
        if not found:
            self._remember(strings)
            return found, () if len(strings) == len(fresh) else {value for value in fresh if type(value) is not str}
        bad = {strings[number - len(texts)] for number in found if number >= len(texts)}
        self._remember(value for value in strings if value not in bad)
        return found, bad.union(value for value in fresh if type(value) is not str)

    def look_ahead(self, values: Iterable[Any]) -> None:
        """Scan the short texts among some values at once, so that :meth:`signals` knows those without any."""
        left = iter(values)
        while self._scan is not None and (lot := tuple(islice(left, LOOK_AHEAD_VALUES))):
            short = {value for value in lot if type(value) is str and len(value) <= _REMEMBERED_CHARS}
            if len(short) > 1:
                self.suspected([], short)

    def certain_signals(self, text: str) -> frozenset[str]:
        """As :meth:`signals`, and no more than that. Waits until the scanner is made."""
        return self._all_signals if self._scan is None else self._scan(text.encode("utf-8", "surrogatepass"))

    def spots(self, text: str) -> list[int] | None:
        """Offsets just behind every secret name in a text, in order; None without a scanner: look everywhere."""
        if self._scan is None:
            return None
        data = text.encode("utf-8", "surrogatepass")
        ends: list[int] = []
        self._scan(data, ends)
        if len(data) != len(text):
            # A spot follows an ASCII byte, so that cutting there cuts no character.
            ends = [len(data[:end].decode("utf-8", "surrogatepass")) for end in ends]
        return sorted(ends)

    def scan_bytes(self, text: bytes) -> frozenset[str]:
        """As :meth:`signals`, for UTF-8."""
        return self._all_signals if self._scan is None else self._scan.suspects(text)

    def text(self, text: str, mime: str = "", depth: int = 0) -> str:
        """A text with its secrets replaced; the same object when there are none."""
        if depth > MAX_NESTED_TEXTS:
            return self.marker.mark(text, "unparsed")
        return self._text(self, text, mime, depth)

    def walk(self, value: Any, place: Place = "anywhere", depth: int = 0) -> Any:
        """An object with its secrets replaced; the same object when there are none."""
        return self._walk(self, value, place, depth)

    def base64(self, text: str, mime: str = "", depth: int = 0) -> str:
        """Base64 text with the secrets in its content replaced; the same object when there are none."""
        return self._base64(self, text, mime, depth)

    def hide(self, value: str, rule: str) -> str:
        """The marker for a value under a secret name; words that cannot be secret are kept."""
        return value if value.strip().lower() in HARMLESS_WORDS else self.marker.mark(value, rule)


def _scan_in_lots(scan: Scanner, texts: list[bytes]) -> Collection[int]:
    """As :meth:`Scanner.suspected`, of no more at once than SCAN_TEXTS and SCAN_BYTES."""
    if len(texts) <= SCAN_TEXTS and sum(map(len, texts)) <= SCAN_BYTES:
        return scan.suspected(texts)
    found: list[int] = []
    start = size_bytes = 0
    for number, text in enumerate(texts):
        if number > start and (number - start == SCAN_TEXTS or size_bytes + len(text) > SCAN_BYTES):
            found += [start + index for index in scan.suspected(texts[start:number])]
            start, size_bytes = number, 0
        size_bytes += len(text)
    return found + [start + index for index in scan.suspected(texts[start:])]
