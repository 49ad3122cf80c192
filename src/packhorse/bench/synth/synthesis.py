"""Whole captures: as many entries as asked for, or as many as a size needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from packhorse.bench.synth.bodies import Library
from packhorse.bench.synth.draws import Draws
from packhorse.bench.synth.entries import timestamp
from packhorse.bench.synth.populations import POPULATIONS, Population
from packhorse.bench.synth.visit import Visit, visit_lengths
from packhorse.errors import InputError
from packhorse.model import HAR_ENTRIES, EntryStream

KINDS = tuple(POPULATIONS)

_compact = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
_START_MS = 1_704_103_200_000
_NO_LIMIT_CHARS = 1 << 40
#: A sized capture gives no body more than this share of it, which is what the largest entry has at the 75th percentile.
_LARGEST_SHARE = 0.45
#: Without its body an entry of any kind has about this many bytes; a sized capture ends on an entry that fits.
_BARE_ENTRY_BYTES = 2_200
#: What escaping adds to a text in JSON, at most of the populations' medians.
_ESCAPED_RATIO = 1.08
#: A sized capture ends with the entry that fills this much of it.
_FULL_SHARE = 0.95
#: An entry that would fill it beyond this is left out, unless so many have been left out already.
_OVERFULL_SHARE = 1.05
_MOST_SKIPPED = 50
#: After a few that did not fit, this much is enough.
_FEW_SKIPPED = 10
_NEARLY_FULL_SHARE = 0.92
#: The outline precedes the entries and is held whole; longer captures come back to their first pages.
_MOST_PAGES = 1_000


def synthesize(entries: int, seed: int, kind: str = "browser") -> EntryStream:
    """A seeded capture of ``entries`` entries, generated one by one as they are consumed.

    Equal arguments give equal bytes on every supported Python.

    Args:
        entries: How many entries, at least 0.
        seed: Chooses the capture.
        kind: The population, one of :data:`KINDS`.

    Raises:
        InputError: ``kind`` is unknown or ``entries`` negative.
    """
    population = _population(kind)
    if entries < 0:
        raise InputError(f"a capture cannot have {entries} entries; give 0 or more")
    visits = sum([1 for _ in islice(_lengths(seed, kind, entries), _MOST_PAGES)])
    maker = _Maker(seed, kind, population, visits)
    return _stream(population, visits, maker.entries(_lengths(seed, kind, entries)))


def sized(target_bytes: int, seed: int, kind: str = "browser") -> EntryStream:
    """A seeded capture of about ``target_bytes`` as compact JSON, heavy tail and all.

    No body takes more than 45 % of the capture, and the last bodies are cut to what is left, so that the result is
    within 10 % of the target.

    Args:
        target_bytes: The size wanted, at least 20,000.
        seed: Chooses the capture.
        kind: The population, one of :data:`KINDS`.

    Raises:
        InputError: ``kind`` is unknown or ``target_bytes`` too small for a capture.
    """
    population = _population(kind)
    if target_bytes < 20_000:
        raise InputError(f"a capture of {target_bytes} bytes is too small to be realistic; ask for 20 kB or more")
    visits = min(1 + target_bytes // 1_000_000, _MOST_PAGES)
    maker = _Maker(seed, kind, population, visits)
    lengths = visit_lengths(
        Draws(f"packhorse-synth/{seed}/{kind}/visits"), population, target_bytes // _BARE_ENTRY_BYTES
    )
    outline_bytes = 250 * visits if population.browser else 0
    return _stream(population, visits, maker.fitting(lengths, target_bytes - outline_bytes))


def _lengths(seed: int, kind: str, entries: int) -> Iterator[int]:
    """Entries of each visit, until there are as many entries as asked for."""
    for length in visit_lengths(Draws(f"packhorse-synth/{seed}/{kind}/visits"), POPULATIONS[kind], entries):
        if entries <= 0:
            return
        yield min(length, entries)
        entries -= length


def _population(kind: str) -> Population:
    try:
        return POPULATIONS[kind]
    except KeyError:
        raise InputError(f"no population {kind!r}; choose one of {', '.join(KINDS)}") from None


def _stream(population: Population, visits: int, entries: Iterator[dict[str, Any]]) -> EntryStream:
    log: dict[str, Any] = {"version": "1.2", "creator": {"name": "packhorse synth", "version": "1"}}
    log["pages"] = [_page(index) for index in range(visits)] if population.browser else []
    return EntryStream({"log": {**log, "entries": []}}, HAR_ENTRIES, entries)


def _page(index: int) -> dict[str, Any]:
    return {
        "startedDateTime": timestamp(_START_MS + index * 60_000),
        "id": f"page_{index + 1}",
        "title": f"https://www.example/{index + 1}",
        "pageTimings": {"onContentLoad": 300 + index * 7919 % 900, "onLoad": 1300 + index * 7919 % 2900},
    }


class _Maker:
    def __init__(self, seed: int, kind: str, population: Population, pages: int) -> None:
        self._name = f"packhorse-synth/{seed}/{kind}"
        self._population = population
        self._pages = max(1, pages)
        self._library = Library(seed, population.recurring)

    def entries(self, lengths: Iterator[int]) -> Iterator[dict[str, Any]]:
        for index, length in enumerate(lengths):
            visit = self._visit(index)
            for position in range(length):
                yield visit.entry(_NO_LIMIT_CHARS, _START_MS + index * 60_000 + position * 37)

    def fitting(self, lengths: Iterator[int], target_bytes: int) -> Iterator[dict[str, Any]]:
        largest = int(target_bytes * _LARGEST_SHARE)
        made_bytes = skipped = 0
        for index, length in enumerate(lengths):
            visit = self._visit(index)
            for position in range(length):
                limit = min(largest, int((target_bytes - made_bytes - _BARE_ENTRY_BYTES) / _ESCAPED_RATIO))
                entry = visit.entry(max(limit, 0), _START_MS + index * 60_000 + position * 37)
                size = len(_compact(entry).encode()) + 1
                if made_bytes + size > target_bytes * _OVERFULL_SHARE and skipped < _MOST_SKIPPED:
                    # Even without a body it does not fit: a deep call stack, long cookies. Another visit may do.
                    skipped += 1
                    if skipped > _FEW_SKIPPED and made_bytes > target_bytes * _NEARLY_FULL_SHARE:
                        return
                    break
                made_bytes += size
                yield entry
                if made_bytes >= target_bytes * _FULL_SHARE:
                    return

    def _visit(self, index: int) -> Visit:
        draws = Draws(f"{self._name}/visit/{index}")
        return Visit(draws, self._population, self._library, f"page_{index % self._pages + 1}")
