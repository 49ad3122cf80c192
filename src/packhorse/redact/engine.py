"""From what a scan finds in a text to what of it is replaced."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from itertools import chain

from packhorse.redact.encodings import decide_encoded, media_bodies
from packhorse.redact.markup import decide_part
from packhorse.redact.named import decide_cookies, decide_escaped, decide_item, decide_list, decide_name
from packhorse.redact.names import PLACES, NameBook
from packhorse.redact.native import NATIVE_PLACES, native
from packhorse.redact.patterns import NUMBER_BITS, Kind, patterns_of
from packhorse.redact.rules import Rules
from packhorse.redact.scanner import Scanners
from packhorse.redact.tables import decide_table
from packhorse.redact.tokens import decide_card, decide_token, decide_userinfo
from packhorse.redact.work import Edit, Tools, Work
from packhorse.units import KIB

_NUMBER = (1 << NUMBER_BITS) - 1
#: In shorter texts media bodies are not looked for.
SMALL_BYTES = 16 * KIB
_DECIDERS: dict[Kind, Callable[[Work, int, int], None]] = {
    Kind.NAME: decide_name,
    Kind.NAMED_LIST: decide_list,
    Kind.COOKIES: decide_cookies,
    Kind.ITEM: decide_item,
    Kind.PART: decide_part,
    Kind.ENCODED: decide_encoded,
    Kind.USERINFO: decide_userinfo,
    Kind.CARD: decide_card,
    Kind.ESCAPED: decide_escaped,
    Kind.TABLE: decide_table,
    Kind.TOKEN: decide_token,
}


class Engine:
    """Finds what is secret in a text by these rules. Thread-safe: nothing in it changes but remembered names."""

    def __init__(self, rules: Rules, scanner: Scanners) -> None:
        self._patterns = patterns_of(rules)
        self._deciders = tuple(_DECIDERS[pattern.kind] for pattern in self._patterns)
        self._kinds = bytes(pattern.kind for pattern in self._patterns)
        self._scanner = scanner
        books = {place: NameBook(rules, place) for place in PLACES}
        self._books = tuple(books[place] for place in NATIVE_PLACES)
        self.tools = Tools(books, dict(enumerate(rules.token)), self.edits)

    def edits(self, work: Work) -> list[Edit]:
        """What has to be replaced in a text; also noted in ``work``."""
        data = work.data
        scan = self._scanner.of(self._patterns)
        at = 0
        bodies = media_bodies(data, scan.only_base64) if len(data) > SMALL_BYTES else ()
        for start, stop in chain(bodies, ((len(data), len(data)),)):
            for hits in scan.hits(data, at, start):
                self._decide(work, hits)
            at = stop
        return work.edits

    def _decide(self, work: Work, hits: list[int]) -> None:
        """Decide what a scan found, in order."""
        index, count, marks = 0, len(hits), work.marks
        while True:
            if native is not None:
                index, work.done = native.decide(
                    work, work.data, hits, index, work.done, work.read_to, self._kinds, work.edits, self._books,
                    None if work.view else marks.lists, marks.counts, work.seen,
                )  # fmt: skip
            if index == count:
                return
            end, number = hits[index] >> NUMBER_BITS, hits[index] & _NUMBER
            # What is found within something that is replaced already is part of it.
            if end > work.done:
                self._deciders[number](work, end, number)
            elif end <= work.read_to:
                _decide_between(self._deciders[number], work, end, number)
            index += 1


def _decide_between(decide: Callable[[Work, int, int], None], work: Work, end: int, number: int) -> None:
    """A hit in a list of named values that has been read: decided where it stands between the values found in it."""
    spans = work.spans
    index = bisect_left(spans, (end,))
    before = spans[index - 1][1] if index else 0
    if end <= before:
        return
    done, known = work.done, len(work.edits)
    work.done = before
    decide(work, end, number)
    work.done = done
    work.edits[known:] = [edit for edit in work.edits[known:] if not _within(spans, edit)]


def _within(spans: list[tuple[int, int]], edit: Edit) -> bool:
    index = bisect_left(spans, (edit[0] + 1,))
    return index > 0 and edit[1] <= spans[index - 1][1]
