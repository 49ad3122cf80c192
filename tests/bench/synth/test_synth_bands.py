"""Synthetic captures are like recorded ones: medians inside the recorded 25–75 % bands, ratios within 15 %.

Bands are the 25th and 75th percentiles per file, and ratios the medians, of a survey of 167 recorded captures in
public repositories: 42 browser exports with bodies, 74 without, 5 recordings of JSON APIs (the lowest 25th, the median
of medians and the highest 75th percentile of those). The one recording of traffic with language models has no band: its
own figures, with a margin for a sample of few captures.
"""

from __future__ import annotations

import zlib
from functools import cache
from statistics import median
from typing import Any

import pytest

from packhorse.bench.shape.capture import Shape, shape
from packhorse.bench.synth import synthesize
from packhorse.bench.synth.draws import Draws
from packhorse.bench.synth.populations import POPULATIONS
from packhorse.bench.synth.script import script
from packhorse.bench.synth.words import vocabulary

BANDS = {
    "browser": {
        "entries": (7, 22),
        "compact_bytes": (56_800, 831_600),
        "top1_entry_share": (0.230, 0.564),
        "top5_entry_share": (0.680, 0.982),
        "body_share": (0.717, 0.930),
        "body_entry_share": (0.456, 1.0),
        "b64_share_of_body": (0.0, 0.732),
        "dup_body_share": (0.0, 0.0334),
        "header_share": (0.0363, 0.1289),
        "cookie_share": (0.0005, 0.0086),
        "hosts": (2, 4.75),
        "nodes_per_kb": (3.20, 11.48),
        "gzip6": (2.243, 3.578),
        "zstd3": (2.431, 4.128),
    },
    "headers": {
        "entries": (17.25, 162.75),
        "compact_bytes": (39_000, 422_400),
        "top1_entry_share": (0.0216, 0.0829),
        "top5_entry_share": (0.0871, 0.3455),
        "body_share": (0.0, 0.0),
        "header_share": (0.4153, 0.5487),
        "cookie_share": (0.0065, 0.0729),
        "hosts": (2.25, 33.75),
        "nodes_per_kb": (44.19, 53.07),
        "gzip6": (8.499, 10.81),
        "zstd3": (8.592, 12.46),
    },
    "api": {
        "body_share": (0.4507, 0.8452),
        "body_entry_share": (0.7768, 1.0),
        "dup_body_share": (0.0025, 0.2055),
        "header_share": (0.059, 0.1736),
        "nodes_per_kb": (6.90, 11.09),
        "gzip6": (5.876, 23.62),
        "zstd3": (10.98, 33.45),
    },
    "llm": {
        "body_share": (0.79, 1.0),
        "body_entry_share": (0.11, 0.16),
        "b64_share_of_body": (0.85, 0.98),
        "dup_body_share": (0.62, 0.84),
        "header_share": (0.02, 0.07),
    },
}
RATIOS = {
    "browser": {"gzip6": 2.953, "zstd3": 2.868},
    "headers": {"gzip6": 9.304, "zstd3": 10.03},
    "api": {"gzip6": 8.057, "zstd3": 18.24},
    "llm": {"gzip6": 1.562, "zstd3": 4.316},
}
#: Captures per population: enough for medians that do not hang on a single capture, little enough for a test.
FILES = {"browser": 80, "headers": 60, "api": 7, "llm": 15}


@cache
def shapes(kind: str) -> list[Shape]:
    found = []
    for seed in range(FILES[kind]):
        length = POPULATIONS[kind].visit_entries if kind in {"browser", "headers"} else (200,) * 9
        entries = 667 if kind == "llm" else max(2, int(Draws(f"bands/{seed}").quantile(length)))
        found.append(shape(synthesize(entries, seed, kind), with_ratios=True))
    return found


def middle(kind: str, name: str) -> float:
    return median([float(getattr(item, name)) for item in shapes(kind)])


def of_each(figures: dict[str, dict[str, Any]]) -> list[Any]:
    """Population and figure. A population's tests share one process, where its captures are made once."""
    return [
        pytest.param(kind, name, marks=pytest.mark.xdist_group(f"bands-{kind}"))
        for kind, names in figures.items()
        for name in names
    ]


@pytest.mark.parametrize(("kind", "name"), of_each(BANDS))
def test_median_lies_in_the_recorded_band(kind: str, name: str) -> None:
    low, high = BANDS[kind][name]
    assert low <= middle(kind, name) <= high


@pytest.mark.parametrize(("kind", "name"), of_each(RATIOS))
def test_ratio_is_within_15_percent(kind: str, name: str) -> None:
    assert middle(kind, name) == pytest.approx(RATIOS[kind][name], rel=0.15)


def gzip_ratio(text: str) -> float:
    return len(text) / len(zlib.compress(text.encode(), 6))


def test_text_is_not_shuffled_words() -> None:
    """Text of the generator has what random words lack: idioms that come back, so that longer texts shrink further."""
    draws = Draws("test/script")
    words = vocabulary(draws, 4000)
    text = script(draws, words, minified=True).text(draws, 90_000)
    shuffled = " ".join([draws.pick(words) for _ in range(15_000)])
    assert gzip_ratio(text) > 1.15 * gzip_ratio(shuffled)
    assert gzip_ratio(text) > 1.3 * gzip_ratio(text[:5_000])
