"""Pictures of the realism check: valid, self-contained SVG, the same bytes for the same data."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from packhorse.bench.report.plots.realism import render
from packhorse.bench.report.plots.svg import require
from packhorse.errors import UnavailableError

SVG = "{http://www.w3.org/2000/svg}"


def row(metric: str, synthetic: list[float], real: list[float], **more: Any) -> dict[str, Any]:
    in_band = real[0] <= synthetic[1] <= real[2]
    return {"metric": metric, "unit": "", "synthetic": synthetic, "real": real, "in_band": in_band,
            "ratio_off": False, **more}  # fmt: skip


def comparison(**more: Any) -> dict[str, Any]:
    rows = [
        row("body_share", [0.5, 0.6, 0.7], [0.4, 0.5, 0.9]),
        row("dup_body_share", [0, 0, 0], [0, 0, 0.5]),
        row("hosts", [100, 400, 900], [2, 3, 4], unit="per file"),
        row("compact_bytes", [1e3, 2e6, 3e6], [1e3, 2e6, 3e6], unit="bytes"),
        row("gzip6", [3, 4, 5], [1, 3, 5], unit="× smaller", ratio_off=True),
    ]
    return {"rows": rows, "agreement": None, "synthetic_files": 3, "real_files": 4, "population": "", "basis": "",
            "passed": False, **more}  # fmt: skip


ORDER = {
    "pipelines": ["a | zstd:1 | raw", "b & <c> | none | raw", "d | bz2 | raw"],
    "synthetic_s": [1.0, 2.0, 30.0],
    "real_s": [2.0, 1.0, 40.0],
    "tau": 1 / 3,
}


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_same_data_give_the_same_bytes() -> None:
    both = [comparison(), comparison(agreement=ORDER)]
    assert render(both, "title") == render(both, "title")


def test_figures_units_and_verdicts_are_written_beside_the_bars() -> None:
    found = texts(render([comparison()], "the title"))
    assert "the title" in found
    assert "3 synthetic against 4 recorded captures" in found
    assert {"bodies, of all bytes", "60 %", "50 %  (40 % – 90 %)", "+20 %", "in band"} <= set(found)
    assert {"2 M", "2 M  (1 k – 3 M)", "±0 %"} <= set(found)
    assert {"OUTSIDE", "> 15 % off"} <= set(found)
    assert "the recorded median is 0: nothing to be relative to" in found


def test_the_order_of_pipelines_is_a_slope() -> None:
    svg = render([comparison(agreement=ORDER)], "t")
    found = texts(svg)
    assert any("τ = 0.33" in text for text in found)
    assert {"b & <c> | none  ·  1×", "a | zstd:1  ·  2×", "1×  ·  a | zstd:1"} <= set(found)
    assert {"d | bz2  ·  40×", "30×  ·  d | bz2"} <= set(found)


def test_published_bands_name_their_population() -> None:
    found = texts(render([comparison(population="api", basis="quartiles")], "t"))
    assert "Population api: 3 synthetic captures against the published percentiles of 4 recorded" in found


def test_nothing_is_loaded_and_nothing_runs() -> None:
    svg = render([comparison(agreement=ORDER)], "t").lower()
    assert "<script" not in svg
    assert "href" not in svg
    assert "url(" not in svg.replace("url(#", "")


def test_a_missing_library_is_said_before_anything_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UnavailableError, match=r"packhorse\[report\]"):
        require()
