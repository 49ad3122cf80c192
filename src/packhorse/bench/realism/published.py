"""Synthetic captures against published percentiles of recorded ones, for those who have no recordings of their own.

The percentiles are data: ``published.toml`` beside this module, with their meaning and where they come from.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from packhorse.bench.realism.compare import Comparison, Metrics, Row, quartiles
from packhorse.bench.synth import KINDS, synthesize
from packhorse.bench.synth.draws import Draws
from packhorse.bench.synth.populations import POPULATIONS
from packhorse.errors import InputError
from packhorse.model import EntryStream

#: Captures in a sample of each population: enough for medians that do not hang on a single capture, little enough to
#: wait for. The populations with fewer files have longer ones.
SAMPLE_FILES = {"browser": 80, "headers": 60, "api": 7, "llm": 15}
#: Entries of a sample's captures where they are not drawn from the recorded distribution: recordings of APIs run on for
#: hundreds of entries, and the one of traffic with language models has 667.
_SAMPLE_ENTRIES = {"api": 200, "llm": 667}


@dataclass(frozen=True, slots=True)
class Published:
    """What is published about one population.

    Attributes:
        kind: The population, one of :data:`~packhorse.bench.synth.KINDS`.
        about: What it is, in words.
        basis: What the ends of the bands are.
        recordings: How many recorded captures they rest on.
        bands: Low end, median and high end, by metric.
    """

    kind: str
    about: str
    basis: str
    recordings: int
    bands: dict[str, tuple[float, float, float]]


@cache
def published(kind: str) -> Published:
    """The published percentiles of one population.

    Raises:
        InputError: No such population.
    """
    if kind not in KINDS:
        raise InputError(f"no population is called {kind!r}; there are {', '.join(KINDS)}")
    text = files("packhorse.bench.realism").joinpath("published.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)[kind]
    bands = {metric: (low, middle, high) for metric, (low, middle, high) in table["bands"].items()}
    return Published(kind, table["about"], table["basis"], table["recordings"], bands)


def compare_published(kind: str, synthetic: Sequence[Metrics]) -> Comparison:
    """Hold captures of one population against its published percentiles.

    Args:
        kind: The population.
        synthetic: What :func:`~packhorse.bench.realism.compare.metrics_of` gives, one per capture.

    Raises:
        InputError: No such population, or no captures.
    """
    if not synthetic:
        raise InputError("a comparison needs at least one synthetic capture")
    known = published(kind)
    rows = [Row(name, quartiles([item[name] for item in synthetic]), band) for name, band in known.bands.items()]
    return Comparison(tuple(rows), None, len(synthetic), known.recordings, population=kind, basis=known.basis)


def sample(kind: str) -> Iterator[EntryStream]:
    """The seeded sample of a population that the published percentiles are compared with; lengths as recorded.

    Raises:
        InputError: No such population.
    """
    published(kind)
    for seed in range(SAMPLE_FILES[kind]):
        entries = _SAMPLE_ENTRIES.get(kind)
        if entries is None:
            entries = max(2, int(Draws(f"bands/{seed}").quantile(POPULATIONS[kind].visit_entries)))
        yield synthesize(entries, seed, kind)
