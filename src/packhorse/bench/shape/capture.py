"""The shape of a capture: what a race's record says about it, without saying what is in it.

The measures are those that percentiles over real captures are given in, so that a synthetic capture can be put beside
them. All are taken from compact JSON, entry by entry; the capture is never whole in memory.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from packhorse.bench.shape.entry import EntryShape, canonical, measure_entry, measure_tree
from packhorse.captures.write import json_pieces
from packhorse.errors import CaptureError
from packhorse.model import HAR_ENTRIES, EntryStream

_TOP = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """A capture, measured. Shares are between 0 and 1, of ``compact_bytes`` where nothing else is said.

    Attributes:
        entries: How many.
        compact_bytes: Length of the compact JSON in UTF-8 (separators without spaces, only what must be escaped is).
        largest_entry_bytes: The longest entry.
        top1_entry_share, top5_entry_share: The longest and the five longest, of all entries' bytes.
        body_share: Response bodies as JSON strings, quotes and escapes included.
        body_entry_share: Entries with a response body, of all entries.
        b64_share_of_body: Characters in base64 bodies, of all bodies' characters.
        dup_body_share: Characters in bodies that an earlier entry has already had, of all bodies' characters.
        header_share: The lists of request and response headers.
        cookie_share: The lists of cookies; an empty one takes two bytes.
        hosts: Different hosts (with port) in the requests' URLs.
        nonascii_char_share: Characters beyond ASCII, of all characters of the compact JSON.
        escape_share: Bytes of escape sequences.
        nodes_per_kb: JSON values (keys not counted) per 1000 bytes.
        depth: Values on the longest way from the capture down to a scalar; 8 for most HARs.
        longest_string_chars: The longest string that is a value.
        longest_url_chars: The longest ``request.url``.
        sha256_hex: SHA-256 of the canonical text: compact, keys sorted. Equal captures have equal digests, whatever the
            order of their keys. A capture without lone surrogates can be checked with
            ``json.dumps(capture, sort_keys=True, separators=(",", ":"), ensure_ascii=False)``.
        gzip6, zstd3: Compact bytes over compressed bytes, when asked for.
        raw_over_compact: Bytes of the file over compact bytes, when the file's size is given.
    """

    entries: int
    compact_bytes: int
    largest_entry_bytes: int
    top1_entry_share: float
    top5_entry_share: float
    body_share: float
    body_entry_share: float
    b64_share_of_body: float
    dup_body_share: float
    header_share: float
    cookie_share: float
    hosts: int
    nonascii_char_share: float
    escape_share: float
    nodes_per_kb: float
    depth: int
    longest_string_chars: int
    longest_url_chars: int
    sha256_hex: str
    gzip6: float | None = None
    zstd3: float | None = None
    raw_over_compact: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON-able data; what was not measured is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class ShapeMeter:
    """Sums entries up into a :class:`Shape`. Memory: one digest per different body, the hosts, five numbers.

    Args:
        outline: The capture without its entries (an empty list at ``path``).
        path: Where they belong.
    """

    def __init__(self, outline: Any = None, path: tuple[str, ...] = ()) -> None:
        before, self._after = _around([] if outline is None else outline, path)
        tree = measure_tree([] if outline is None else outline)
        self._levels = len(path) + 1
        self._digest = hashlib.sha256(before)
        self._outline_bytes = len(before) + len(self._after)
        self._outline_chars = len(before.decode()) + len(self._after.decode())
        self._nodes, self._depth, self._string, self._url = tree.nodes, tree.depth, tree.longest_string_chars, 0
        self._count = self._bytes = self._chars = self._ascii = self._escapes = 0
        self._bodies = self._body_bytes = self._body_chars = self._base64_chars = self._repeated_chars = 0
        self._header_bytes = self._cookie_bytes = 0
        self._largest: list[int] = []
        self._seen: set[bytes] = set()
        self._hosts: set[str] = set()

    def add(self, entry: EntryShape) -> None:
        """Take in one more entry, as :func:`measure_entry` measured it."""
        if self._count:
            self._digest.update(b",")
        self._digest.update(entry.text)
        size = len(entry.text)
        self._count += 1
        self._bytes += size
        self._chars += entry.chars
        self._ascii += entry.ascii_chars
        self._escapes += entry.escape_bytes
        heapq.heappush(self._largest, size)
        if len(self._largest) > _TOP:
            heapq.heappop(self._largest)
        self._nodes += entry.tree.nodes
        self._depth = max(self._depth, entry.tree.depth + self._levels)
        self._string = max(self._string, entry.tree.longest_string_chars)
        self._url = max(self._url, entry.url_chars)
        self._header_bytes += entry.request_header_bytes + entry.response_header_bytes
        self._cookie_bytes += entry.cookie_bytes
        if entry.host:
            self._hosts.add(entry.host)
        if entry.body_chars:
            self._add_body(entry)

    def _add_body(self, entry: EntryShape) -> None:
        self._bodies += 1
        self._body_bytes += entry.body_bytes
        self._body_chars += entry.body_chars
        if entry.body_is_base64:
            self._base64_chars += entry.body_chars
        if entry.body_digest in self._seen:
            self._repeated_chars += entry.body_chars
        self._seen.add(entry.body_digest)

    def finish(self, *, ratios: dict[str, float] | None = None, file_bytes: int | None = None) -> Shape:
        """The shape of all entries so far. Call it once.

        Args:
            ratios: ``gzip6`` and ``zstd3``, where they were measured.
            file_bytes: Size of the file that the capture was read from, white space and all.
        """
        self._digest.update(self._after)
        commas = max(0, self._count - 1)
        total = self._outline_bytes + self._bytes + commas
        chars = self._outline_chars + self._chars + commas
        nonascii = self._chars - self._ascii
        return Shape(
            entries=self._count,
            compact_bytes=total,
            largest_entry_bytes=max(self._largest, default=0),
            top1_entry_share=_share(max(self._largest, default=0), self._bytes),
            top5_entry_share=_share(sum(self._largest), self._bytes),
            body_share=_share(self._body_bytes, total),
            body_entry_share=_share(self._bodies, self._count),
            b64_share_of_body=_share(self._base64_chars, self._body_chars),
            dup_body_share=_share(self._repeated_chars, self._body_chars),
            header_share=_share(self._header_bytes, total),
            cookie_share=_share(self._cookie_bytes, total),
            hosts=len(self._hosts),
            nonascii_char_share=_share(nonascii, chars),
            escape_share=_share(self._escapes, total),
            nodes_per_kb=_share(1000 * self._nodes, total),
            depth=self._depth,
            longest_string_chars=self._string,
            longest_url_chars=self._url,
            sha256_hex=self._digest.hexdigest(),
            **(ratios or {}),
            raw_over_compact=None if file_bytes is None else _share(file_bytes, total),
        )


def shape(capture: Any, *, with_ratios: bool = False, file_bytes: int | None = None) -> Shape:
    """Measure a capture, one entry at a time.

    Args:
        capture: An ``EntryStream``, whose entries are consumed; a HAR; a list; or any other JSON-able object, which
            then counts as a capture of one entry.
        with_ratios: Also compress it, with gzip 6 and zstd 3 (about 30 ms per MB).
        file_bytes: Size of the file that it was read from, for ``raw_over_compact``.

    Raises:
        CaptureError: An entry is not JSON-able, or reading it failed.
    """
    stream = _as_stream(capture)
    meter = ShapeMeter(stream.outline, stream.path)
    measured = EntryStream(stream.outline, stream.path, _metered(stream, meter))
    if not with_ratios:
        for _ in measured.entries:
            pass
        return meter.finish(file_bytes=file_bytes)
    from packhorse.bench.shape.ratios import Ratios

    ratios = Ratios()
    for piece in json_pieces(measured):
        ratios.write(piece)
    return meter.finish(ratios=ratios.finish(), file_bytes=file_bytes)


def _metered(stream: EntryStream, meter: ShapeMeter) -> Iterator[Any]:
    for index, entry in enumerate(stream.entries):
        try:
            meter.add(measure_entry(entry))
        except (TypeError, ValueError, RecursionError) as error:
            raise CaptureError(f"is not JSON-able: {error}", position=f"entry {index}") from None
        yield entry


def _as_stream(capture: Any) -> EntryStream:
    if isinstance(capture, EntryStream):
        return capture
    if isinstance(capture, list):
        return EntryStream([], (), capture)
    log = capture.get("log") if isinstance(capture, dict) else None
    if isinstance(log, dict) and isinstance(log.get("entries"), list):
        return EntryStream({**capture, "log": {**log, "entries": []}}, HAR_ENTRIES, log["entries"])
    return EntryStream([], (), [capture])


def _around(outline: Any, path: tuple[str, ...]) -> tuple[bytes, bytes]:
    """The canonical text before the first entry, and after the last."""
    if not path:
        return b"[", b"]"
    before, after = _around(outline[path[0]], path[1:])
    smaller, _ = canonical({key: value for key, value in outline.items() if key < path[0]})
    larger, _ = canonical({key: value for key, value in outline.items() if key > path[0]})
    head = smaller[:-1] + (b"," if len(smaller) > 2 else b"")
    tail = (b"," if len(larger) > 2 else b"") + larger[1:]
    return head + canonical(path[0])[0] + b":" + before, after + tail


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
