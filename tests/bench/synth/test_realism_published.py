"""Published percentiles as data, and the comparison with them on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from packhorse.bench.realism.compare import METRICS, RATIO_TOLERANCE, RATIOS, metrics_of
from packhorse.bench.realism.published import SAMPLE_FILES, compare_published, published, sample
from packhorse.bench.synth import KINDS
from packhorse.cli import run
from packhorse.errors import InputError

from .test_synth_bands import BANDS
from .test_synth_bands import RATIOS as RECORDED_RATIOS


@pytest.mark.parametrize("kind", KINDS)
def test_bands_are_complete_and_in_order(kind: str) -> None:
    known = published(kind)
    assert set(RATIOS) <= set(known.bands) <= set(METRICS)
    assert all(low <= middle <= high for low, middle, high in known.bands.values())
    assert known.recordings > 0
    assert known.about
    assert known.basis


@pytest.mark.parametrize("kind", KINDS)
def test_the_generators_own_test_holds_the_same_numbers(kind: str) -> None:
    bands = published(kind).bands
    for name, (low, high) in BANDS[kind].items():
        assert (bands[name][0], bands[name][2]) == pytest.approx((low, high), rel=0.003, abs=1e-4)
    for name, ratio in RECORDED_RATIOS[kind].items():
        assert bands[name][1] == pytest.approx(ratio, rel=0.001)


def test_medians_at_the_published_ones_pass_and_a_miss_is_named() -> None:
    middles = {name: band[1] for name, band in published("browser").bands.items()}
    exact = compare_published("browser", [middles])
    assert exact.passed
    assert exact.agreement is None
    assert "published of 42 recorded" in exact.to_markdown()
    off = compare_published("browser", [{**middles, "gzip6": middles["gzip6"] * (1.01 + RATIO_TOLERANCE)}])
    assert (off.outside, off.ratios_off) == ((), ("gzip6",))
    out = compare_published("browser", [{**middles, "hosts": 9.0}])
    assert (out.outside, out.passed) == (("hosts",), False)
    assert "outside the recorded band: hosts" in out.verdict


def test_unknown_population_and_nothing_to_compare() -> None:
    with pytest.raises(InputError, match="browser, headers, api, llm"):
        published("desktop")
    with pytest.raises(InputError, match="at least one"):
        compare_published("api", [])
    assert set(SAMPLE_FILES) == set(KINDS)


def test_the_sample_is_seeded() -> None:
    first, again = (metrics_of(next(sample("headers"))) for _ in range(2))
    assert first == again


def test_files_of_one_population_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(tmp_path / f"{seed}.har") for seed in range(3)]
    for seed, file in enumerate(files):
        assert run(["synth", "--entries", "200", "--seed", str(seed), "--kind", "api", "-o", file]) == 0
    table = tmp_path / "out.md"
    status = run(["captures", "compare", *files, "--against-published", "--kind", "api", "-o", str(table)])
    plain = json.loads(table.with_suffix(".json").read_text(encoding="utf-8"))
    assert [one["population"] for one in plain] == ["api"]
    assert status == (0 if plain[0]["passed"] else 1)
    text = table.read_text(encoding="utf-8")
    assert "![Percentiles side by side](out.svg)" in text
    assert str(tmp_path) not in text
    assert table.with_suffix(".svg").read_text(encoding="utf-8").startswith("<svg")
    assert "Verdict" in capsys.readouterr().out
    # Captures of another population are found out: exit status 1.
    assert run(["captures", "compare", *files, "--against-published", "--kind", "headers"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--against-published", "x.har"], "x.har: no such file"),
        (["--against-published", "pyproject.toml"], "--kind"),
        (["--against-published", "--with", "pyproject.toml"], "two different comparisons"),
        (["pyproject.toml", "--with", "pyproject.toml", "--kind", "api"], "--against-published"),
        (["--against-published", "-o", "table.txt"], ".md"),
        (["--against-publishd", "pyproject.toml", "--with", "pyproject.toml"], "no such option"),
        ([], "--against-published"),
    ],
)
def test_arguments_that_contradict_each_other(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("")
    assert run(["captures", "compare", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
