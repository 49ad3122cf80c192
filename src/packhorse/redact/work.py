"""One text while it is decided what in it is secret: what was found so far, and the text without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter

from packhorse.redact.marker import Marker, is_marker
from packhorse.redact.names import NameBook, Place
from packhorse.redact.native import native
from packhorse.redact.quoting import plain, string_end
from packhorse.redact.rules import TokenRule

#: Texts within texts (base64 in base64, escapes of escapes) that are followed. What lies deeper is replaced whole.
MOST_NESTED = 12
#: Words that stand under secret names and are no secrets, such as ``credentials: "include"``.
HARMLESS_WORDS = frozenset({"", "true", "false", "null", "none", "undefined", "include", "omit", "same-origin", "*"})
_LONGEST_HARMLESS = 16


#: A part of a text that is replaced: its start and end in bytes, what it means (text, or bytes of UTF-8), the rule's
#: name in the report, and what is written before and after the marker (quotes around what was a number). Where the
#: meaning is None, the last part is itself what takes its place. A plain tuple: there are thousands in a capture.
Edit = tuple[int, int, str | bytes | None, str, bytes]


@dataclass(slots=True)
class KnownList:
    """A list of named values that was read before.

    Attributes:
        data, at: The text in which it came first, and where.
        edits: What was found in it by its names.
        text: The list without its secrets, once it came a second time.
    """

    data: bytes
    at: int
    edits: list[Edit]
    text: bytes | None = None

    def __bool__(self) -> bool:
        return bool(self.edits)


class Marks:
    """The markers of one piece of work: equal secrets are hashed once, and counted only when all of it is done."""

    def __init__(self, marker: Marker) -> None:
        self._marker = marker
        #: Markers by secret.
        self.known: dict[str | bytes, bytes] = {}
        self.counts: Counter[str] = Counter()
        #: Lists of named values that were read, by place and text.
        self.lists: dict[tuple[str, bytes], KnownList] = {}

    def mark(self, secret: str, rule: str) -> bytes:
        """The marker for a secret, counted."""
        self.counts[rule] += 1
        return self.known.get(secret) or self.made(secret)

    def made(self, secret: str | bytes) -> bytes:
        """The marker for a secret that is not in :attr:`known` yet; not counted."""
        marker = self.known[secret] = self._marker.marker(secret)
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
        anywhere, param: Names that are secret as keys and in headers, and those that are as parameters.
        marks: The markers of this piece of work.
        depth: Texts around this one.
        done: Up to where the text is decided: what is found before it is part of something found already.
        read_to, spans: Where the last list of named values ended, and the values that were found in it.
        view: True of a part of the text around it, with its escapes undone: what is found is replaced out there.
        seen: By kind of decider, up to where it has looked: for those that take more than what was found.
    """

    __slots__ = (
        "anywhere",
        "data",
        "depth",
        "done",
        "edits",
        "marks",
        "param",
        "read_to",
        "seen",
        "spans",
        "tools",
        "view",
    )

    def __init__(self, data: bytes, tools: Tools, marks: Marks, depth: int = 0, *, view: bool = False) -> None:
        self.data = data
        self.view = view
        self.tools = tools
        self.anywhere = tools.books["anywhere"]
        self.param = tools.books["param"]
        self.marks = marks
        self.depth = depth
        self.done = self.read_to = 0
        self.spans: list[tuple[int, int]] = []
        self.edits: list[Edit] = []
        self.seen: dict[str, int] = {}

    def opens(self, quote: bytes) -> bool:
        """Whether a quote, with its backslashes, can begin a value behind a bare name.

        In JSON text such a name stands in a string, which a quote without a backslash ends.
        """
        return self.depth > 0 or quote != b'"'

    def secret(self, name: bytes, place: Place) -> bool:
        """Whether the value under a name is secret."""
        return self.tools.books[place][name]

    def replace(self, start: int, end: int, secret: str, rule: str, around: bytes = b"") -> None:
        """Have a secret replaced, unless it is a marker already or a word that cannot be secret."""
        if (len(secret) <= _LONGEST_HARMLESS or secret.isspace()) and secret.strip().lower() in HARMLESS_WORDS:
            return
        if secret[0] != "[" or not is_marker(secret):
            self.put((start, end, secret, rule, around))

    def replace_string(self, start: int, end: int, rule: str) -> None:
        """The same for the whole content of a string of this text's own level. The commonest, so it takes few steps."""
        raw = self.data[start:end]
        if len(raw) <= _LONGEST_HARMLESS or raw[0] in b"[ " or b"\\" in raw:
            if raw:
                self.replace(start, end, plain(raw, 0), rule)
            return
        self.edits.append((start, end, raw, rule, b""))
        if end > self.done:  # noqa: PLR1730  # a call of max takes as long as all the rest
            self.done = end

    def put(self, edit: Edit) -> None:
        """Have a part replaced. In JSON text a string ends where it does, whatever was decided."""
        start, end, secret, rule, text = edit
        if self.depth == 0 and secret is not None and self.data.find(b'"', start, end) >= 0:
            end = string_end(self.data, start, 0, end)
        self.edits.append((start, end, secret, rule, text))
        if end > self.done:  # noqa: PLR1730
            self.done = end

    def read_list(self, place: Place, start: int, end: int, found: list[Edit]) -> None:
        """Have the values replaced that were found in a list of named values, and know the list when it comes again."""
        self.edits += found
        if found:
            # What else was found in there, as a token in a cookie's path, is decided when it is come to.
            self.spans, self.read_to = [(edit[0], edit[1]) for edit in found], end
        self.marks.lists[place, self.data[start:end]] = KnownList(self.data, start, found)

    def write(self, start: int, end: int, text: bytes) -> None:
        """Have something else than a marker stand in place of a part."""
        self.put((start, end, None, "", text))

    def inner(self, data: bytes, *, view: bool = False) -> Work:
        """A text within this one, decided."""
        work = Work(data, self.tools, self.marks, self.depth + 1, view=view)
        if work.depth > MOST_NESTED:
            work.put((0, len(data), data.decode("utf-8", "surrogateescape"), "unparsed", b""))
        else:
            self.tools.edits(work)
        return work

    def beside(self, data: bytes) -> Work:
        """A text that stands for a part of this one, decided by itself."""
        work = Work(data, self.tools, self.marks, self.depth)
        self.tools.edits(work)
        return work

    def result(self) -> bytes:
        """The text with everything replaced; the same object when nothing is."""
        if not self.edits:
            return self.data
        self.marks.counts.update([edit[3] for edit in self.edits if edit[2] is not None])
        return spliced(self.data, self.edits, self.marks)


def spliced(data: bytes, edits: list[Edit], marks: Marks) -> bytes:
    """A text with its edits made."""
    known, made = marks.known, marks.made
    done: bytes | None = None if native is None else native.splice(data, edits, known, made)
    if done is not None:
        return done
    pieces: list[bytes] = []
    add = pieces.append
    at = 0
    for start, end, secret, _, text in edits:
        if start < at:
            return spliced(data, _apart(edits), marks)
        add(data[at:start])
        if secret is None:
            add(text)
        else:
            marker = known.get(secret) or made(secret)
            add(text + marker + text if text else marker)
        at = end
    add(data[at:])
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
