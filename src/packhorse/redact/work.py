"""One text while it is decided what in it is secret: what was found so far, and the text without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any

from packhorse.redact.marker import Marker, is_marker
from packhorse.redact.names import NameBook, Place
from packhorse.redact.quoting import string_end
from packhorse.redact.rules import TokenRule

#: Texts within texts (base64 in base64, escapes of escapes) that are followed. What lies deeper is replaced whole.
MOST_NESTED = 12
#: Words that stand under secret names and are no secrets, such as ``credentials: "include"``.
HARMLESS_WORDS = frozenset({"", "true", "false", "null", "none", "undefined", "include", "omit", "same-origin", "*"})
_LONGEST_HARMLESS = 16


#: A part of a text that is replaced: its start and end in bytes, what it means, the rule's name in the report, and what
#: is written before and after the marker (quotes around what was a number). Where the meaning is None, the last part is
#: itself what takes its place. A plain tuple: there are thousands of them in a capture.
Edit = tuple[int, int, str | None, str, bytes]


class Marks:
    """The markers of one piece of work: equal secrets are hashed once, and counted only when all of it is done."""

    def __init__(self, marker: Marker) -> None:
        self._marker = marker
        #: Markers by secret.
        self.known: dict[str, bytes] = {}
        self.counts: Counter[str] = Counter()
        #: Lists of named values that were read, and the edits in them, told from their beginning.
        self.lists: dict[tuple[str, bytes], list[Any]] = {}

    def mark(self, secret: str, rule: str) -> bytes:
        """The marker for a secret, counted."""
        self.counts[rule] += 1
        return self.known.get(secret) or self.made(secret)

    def made(self, secret: str) -> bytes:
        """The marker for a secret that is not in :attr:`known` yet; not counted."""
        marker = self.known[secret] = self._marker.text(secret).encode()
        return marker

    def done(self) -> None:
        """Add the counts to the redactor's."""
        self._marker.count(self.counts)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the deciders of one redactor share.

    Attributes:
        books: Which names are secret, by place.
        tokens: Secrets known by their shape, by the number of their pattern.
        edits: Finds the edits in a text within a text.
    """

    books: Mapping[Place, NameBook]
    tokens: Mapping[int, TokenRule]
    edits: Callable[[Work], list[Edit]]


class Work:
    """A text and the edits found in it.

    Attributes:
        data: The text, in UTF-8.
        tools: What all deciders share.
        marks: The markers of this piece of work.
        depth: Texts around this one.
        done: Up to where the text is decided: what is found before it is part of something found already.
        seen: By kind of decider, up to where it has looked: for those that take more than what was found.
    """

    __slots__ = ("data", "depth", "done", "edits", "marks", "seen", "tools")

    def __init__(self, data: bytes, tools: Tools, marks: Marks, depth: int = 0) -> None:
        self.data = data
        self.tools = tools
        self.marks = marks
        self.depth = depth
        self.done = 0
        self.edits: list[Edit] = []
        self.seen: dict[str, int] = {}

    def opens(self, quote: bytes) -> bool:
        """Whether a quote, with its backslashes, can begin a value behind a bare name.

        In JSON text such a name stands in a string, which a quote without a backslash ends.
        """
        return self.depth > 0 or quote != b'"'

    def secret(self, name: bytes, place: Place) -> bool:
        """Whether the value under a name is secret."""
        return self.tools.books[place].secret(name)

    def replace(self, start: int, end: int, secret: str, rule: str, around: bytes = b"") -> None:
        """Have a secret replaced, unless it is a marker already or a word that cannot be secret."""
        if (len(secret) <= _LONGEST_HARMLESS or secret.isspace()) and secret.strip().lower() in HARMLESS_WORDS:
            return
        if secret[0] != "[" or not is_marker(secret):
            self.edits.append((start, end, secret, rule, around))
            if end > self.done:  # noqa: PLR1730  # a call of max takes as long as all the rest
                self.done = end

    def put(self, edit: Edit) -> None:
        """Have a part replaced."""
        self.edits.append(edit)
        self.done = max(self.done, edit[1])

    def write(self, start: int, end: int, text: bytes) -> None:
        """Have something else than a marker stand in place of a part."""
        self.put((start, end, None, "", text))

    def inner(self, data: bytes) -> Work:
        """A text within this one, decided."""
        work = Work(data, self.tools, self.marks, self.depth + 1)
        if work.depth > MOST_NESTED:
            work.put((0, len(data), data.decode("utf-8", "surrogateescape"), "unparsed", b""))
        else:
            self.tools.edits(work)
        return work

    def result(self) -> bytes:
        """The text with everything replaced; the same object when nothing is."""
        if not self.edits:
            return self.data
        pieces: list[bytes] = []
        add = pieces.append
        at = 0
        data, known, top = self.data, self.marks.known, self.depth == 0
        edits = self.edits
        if any(one[1] > other[0] for one, other in pairwise(edits)):
            edits = _apart(edits)
        for start, end, secret, _, text in edits:
            if top and data.find(b'"', start, end) >= 0:
                # Whatever was decided: a string of JSON text ends where it does.
                end = min(end, string_end(data, start, 0))  # noqa: PLW2901
            add(data[at:start])
            if secret is None:
                add(text)
            else:
                marker = known.get(secret) or self.marks.made(secret)
                add(text + marker + text if text else marker)
            at = end
        add(data[at:])
        self.marks.counts.update(edit[3] for edit in edits if edit[2] is not None)
        return b"".join(pieces)


def _apart(edits: list[Edit]) -> list[Edit]:
    """Edits in order. Of two that overlap the first is kept, as long as both together: nothing of either is left."""
    kept: list[Edit] = []
    last = 0
    # Of two that begin together the longer one is first; a stable sort of a nearly sorted list takes one pass.
    for edit in sorted(sorted(edits, key=itemgetter(1), reverse=True), key=itemgetter(0)):
        if edit[0] >= last:
            kept.append(edit)
        elif edit[1] > last:
            kept[-1] = (kept[-1][0], edit[1], *kept[-1][2:])
        else:
            continue
        last = edit[1]
    return kept
