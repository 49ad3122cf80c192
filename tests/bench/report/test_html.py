from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import zlib
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.bench.race.bench import Findings
from packhorse.bench.race.options import RaceOptions
from packhorse.bench.race.record import plain, validate, write_record
from packhorse.bench.race.results import build_record
from packhorse.bench.report import html, rendered
from packhorse.bench.report.html import render
from packhorse.bench.report.html.answer import answer
from packhorse.bench.report.html.arms import label, left_out, ordered, verdict
from packhorse.bench.report.html.escape import script_json, visible
from packhorse.bench.report.html.facts import per_process, times_over
from packhorse.bench.report.html.order import median_interval
from packhorse.bench.report.html.race_figures import trade
from packhorse.bench.report.html.steps_figure import steps
from packhorse.bench.report.limits import limits
from packhorse.bench.report.plots.bars import bars
from packhorse.bench.report.plots.pareto import front, pareto
from packhorse.cli import run
from packhorse.errors import RecordError, UnavailableError
from tests.bench.report.records import HOSTILE, hostile, published

pytestmark = pytest.mark.xdist_group("html")  # the pages are rendered once

MOST_BYTES = 1_000_000


class Tags(HTMLParser):
    """Every start tag with its attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[tuple[str, str]] = []
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self._open = tag
            self.inline.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            kind, text = self.inline[-1]
            self.inline[-1] = (kind, text + data)


@pytest.fixture(scope="module")
def page() -> str:
    return render(published())


@pytest.fixture(scope="module")
def hostile_page() -> str:
    return render(hostile())


def test_the_same_record_gives_the_same_bytes(page: str) -> None:
    assert render(json.loads(json.dumps(published(), sort_keys=True))) == page
    assert len(page.encode()) < MOST_BYTES


def test_the_page_loads_nothing_and_names_no_address_to_load_from(page: str) -> None:
    for tag, attributes in Tags(page).tags:
        assert tag not in {"link", "iframe", "img", "object", "embed", "base", "form"}
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith("#")  # type: ignore[union-attr]
        assert not any(name.startswith("on") or name == "style" for name in attributes)


def test_the_security_policy_allows_exactly_the_scripts_and_styles_of_the_page(page: str) -> None:
    found = Tags(page)
    policy = next(a["content"] or "" for t, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    rules = {name: set(rest) for name, *rest in (rule.split() for rule in policy.split(";"))}
    assert rules["default-src"] == {"'none'"}
    kinds = [a.get("type") for t, a in found.tags if t == "script"]
    scripts = [text for kind, text in found.inline if kind == "script"]
    run = [text for kind, text in zip(kinds, scripts, strict=True) if kind is None]
    (packed,) = (text for kind, text in zip(kinds, scripts, strict=True) if kind == "application/octet-stream")
    run.append(zlib.decompress(base64.b64decode(packed)).decode())
    styles = [text for kind, text in found.inline if kind == "style"]
    assert rules["script-src"] == {sha256(text) for text in run}
    assert rules["style-src"] == {sha256(text) for text in styles}
    assert len(run) == 2
    assert "unsafe" not in policy


def sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_hostile_text_adds_no_element_and_no_attribute(page: str, hostile_page: str) -> None:
    plain, marked = Tags(page), Tags(hostile_page)
    assert {tag for tag, _ in marked.tags} <= {tag for tag, _ in plain.tags}
    allowed = {name for _, attributes in plain.tags for name in attributes}
    assert {name for _, attributes in marked.tags for name in attributes} <= allowed
    assert sum(tag == "script" for tag, _ in marked.tags) == sum(tag == "script" for tag, _ in plain.tags)
    scripts = [text for kind, text in marked.inline if kind == "script"]
    assert json.loads(scripts[1]) == hostile()  # what can be downloaded is the record as it was
    assert scripts[3:] == [text for kind, text in plain.inline if kind == "script"][3:]


def test_hostile_text_is_shown(hostile_page: str) -> None:
    pipeline = published()["winner"]["pipeline"]
    assert f"{pipeline}&lt;/script&gt;&lt;script&gt;window.owned=1" in hostile_page
    assert "{{7*7}}" in hostile_page
    assert not re.search("[\u2028\u2029\u202e\u200b\x07]", hostile_page)


@given(st.text(st.characters(codec=None), max_size=40))
def test_data_in_a_script_reads_back_and_cannot_end_it(text: str) -> None:
    written = script_json({text: [text]})
    assert json.loads(written) == {text: [text]}
    assert not re.search(r"[<>&\u2028\u2029]", written)
    assert written.isascii()


@given(st.text(st.characters(codec=None), max_size=40))
def test_visible_text_can_be_written_and_hides_nothing(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert visible(shown) == shown
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\x00-\x08]", shown)


def test_not_a_number_is_refused_rather_than_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json({"x": math.nan})


def test_an_empty_race_has_a_page() -> None:
    page = render(plain(build_record(RaceOptions(target="memory"), Findings(), ["packhorse"])))
    assert "No answer" in page
    assert "Not measured in this race." in page
    assert "Publish it" not in page


def test_the_answer_says_how_much_faster_how_sure_and_what_to_do() -> None:
    record = published()
    found = answer(record)
    cards = {card.title: card for card in found.cards}
    held_out = record["winner"]["held_out"]
    assert cards["× original design"].value == f"{held_out['speedup_over_reference']:.1f} ×"
    assert cards["× original design"].about.startswith("95 %: ")
    assert cards["× common stack"].value in found.headline  # one headline number
    assert list(cards)[:2] == ["× common stack", "× original design"]
    assert cards["captures/s"].about.startswith("the uploader, ")
    assert cards["$ per million"].value.startswith("$")
    assert max(len(card.about) for card in found.cards) < 40
    assert len(found.others) == len(record["winner"]["set_arms"]) - 1
    assert any("3.0 × the common stack (orjson | gzip:6 | raw | boto3, 8" in told for told in found.confidence)
    assert any("under two names" in sentence for sentence in found.confidence)
    assert found.publish.splitlines()[-1].startswith("packhorse publish ")
    assert len(found.use.splitlines()) == 3
    assert found.warnings == tuple(one.strong for one in limits(record) if one.strong)


def tied(words: Sequence[str], **winner: Any) -> dict[str, Any]:
    """The published race with as many more of the set as there are words, each with its verdict."""
    record = published()
    for row, word in zip(record["results"][1:], words, strict=False):
        row["verdict"]["word"] = word
        record["winner"]["set_arms"].append(row["arm"])
    record["winner"].update(winner)
    return record


FASTEST = "json | zlib:1 | obstore is fastest: 3.0 × your common stack."


@pytest.mark.parametrize(
    ("words", "end"),
    [
        ([], ""),
        (["as fast"], " One other is as good."),
        (["as fast", "as fast"], " Two others are as good."),
        (["undecided"], " One other may be as good."),
        (["as fast", "undecided", "undecided"], " One other is as good, two more may be."),
    ],
)
def test_the_page_opens_with_the_answer_in_the_affirmative(words: list[str], end: str) -> None:
    assert answer(tied(words)).headline == FASTEST + end


@pytest.mark.parametrize(
    ("why", "end"),
    [
        ("no difference below 25 % could have been seen", "but a difference below 25 % could not be seen."),
        ("something else", "but something else."),
    ],
)
def test_a_race_that_decided_nothing_says_what_is_ahead(why: str, end: str) -> None:
    record = tied(["undecided"], conclusive=False, why=why)
    assert answer(record).headline == f"Nothing is decided: json | zlib:1 | obstore is ahead, {end}"
    assert [verdict(row, record) for row in record["results"][:2]] == ["ahead", record["results"][1]["verdict"]["text"]]


def test_the_sentence_without_a_published_figure_by_size_and_after_an_interrupt() -> None:
    record = published()
    record["published"] = record["winner"]["held_out"] = None
    assert answer(record).headline == "json | zlib:1 | obstore is fastest: 5.0 × your common stack in the race."
    record["winner"]["speedup_over_common"] = None
    assert answer(record).headline == "json | zlib:1 | obstore is fastest."
    slower = published() | {"objective": "size"}
    slower["published"]["over_common"]["value"] = 0.5
    wanted = "json | zlib:1 | obstore is smallest: only 0.5 × the captures/s of your common stack."
    assert answer(slower).headline == wanted
    ended = published() | {"interrupted": True}
    assert answer(ended).headline == "json | zlib:1 | obstore was ahead when the race was interrupted."


def test_what_makes_an_answer_doubtful_stands_above_it() -> None:
    record = published() | {"busy": True, "quick": True}
    record["published"]["captures"] = record["captures"][:1]
    page = render(record)
    told = "Busy machine · Quick race · Nothing held out"
    assert told in " · ".join(answer(record).warnings)
    assert page.index(told) < page.index("<h1")
    assert page.count("sign-flip") == page.count("tie: lowest") == 0


def test_pipelines_raced_for_text_alone_are_one_row_that_names_how_many() -> None:
    record = published()
    text = {**record["results"][1], "for_text": True, "verdict": None, "role": "candidate"}
    record["results"][4:4] = [{**text, "arm": f"json | gzip:{n} | base64-stdlib | obstore @8"} for n in range(15)]
    rows = [row for row in ordered(record) if row["for_text"]]
    assert [label(row, record) for row in rows] == ["gzip:0 | base64-stdlib | obstore @8 (and 14 more with base64)"]


def test_axes_are_logarithmic_where_values_span_decades() -> None:
    facts: dict[str, Any] = {"tone": "set", "low": None, "high": None, "points": [], "text": ""}
    for values, kind in (((1.0, 9.0), None), ((1.0, 99.0), "log"), ((0.0, 99.0), None)):
        rows = [{**facts, "key": str(v), "label": str(v), "value": v} for v in values]
        x = bars(rows, title="s", description="d")["layer"][0]["encoding"]["x"]
        assert x.get("scale", {}).get("type") == kind
        assert ("logarithmic" in x["title"]) == (kind == "log")


def test_a_race_whose_uploader_was_not_measured_says_so() -> None:
    record = published()
    record["published"] = record["winner"]["held_out"] = None
    found = answer(record)
    assert any("the uploader was not measured" in sentence for sentence in found.confidence)
    assert found.cards[0].about == "in the race"
    assert times_over(record, "common").value == record["winner"]["speedup_over_common"]  # type: ignore[union-attr]
    assert steps(record).chart is None


def test_names_in_plots_leave_out_what_the_chosen_pipeline_has_and_stay_apart() -> None:
    record = published()
    words = record["winner"]["arm"].rpartition(" @")[0].split(" | ")
    for shortest in (False, True):
        names = [label(row, record, shortest=shortest) for row in ordered(record)]
        assert len(set(names)) == len(names)
    assert words[1] in names
    assert any(re.fullmatch(r"common stack @\d+: orjson \| gzip:6 \| boto3", name) for name in names)
    assert left_out(record) == f"Names leave out what the chosen pipeline has, too: {words[0]}, {words[2]}."
    record["winner"]["arm"] = None
    assert left_out(record) == ""


def test_the_chosen_stands_first_and_the_presets_last() -> None:
    rows = ordered(published())
    assert rows[0]["arm"] == published()["winner"]["arm"]
    assert [row["role"] for row in rows[-2:]] == ["common", "reference"]


def test_the_price_of_safety_goes_from_the_bare_parts_to_the_uploader() -> None:
    figure = steps(published())
    assert figure.chart is not None
    assert [str(line.cells[0].text) for line in figure.table.lines] == [
        "bare parts", "hot path", "with redaction", "uploader", "common stack", "original design",
    ]  # fmt: skip


def test_figures_of_a_process_are_medians_of_its_counted_samples() -> None:
    sample = {"process": 0, "raw_bytes": 100, "counted": True}
    walls = [*({**sample, "wall_s": wall} for wall in (1.0, 2.0, 9.0)), {**sample, "wall_s": 99.0, "counted": False}]
    row = {"wall_s": 2.0, "raw_bytes_per_s": 50.0, "samples": walls}
    assert per_process(row) == {0: 2.0}


@pytest.mark.parametrize(("count", "ends"), [(5, None), (6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (20, (6, 15))])
def test_intervals_of_medians_are_those_of_the_sign_test(count: int, ends: tuple[int, int] | None) -> None:
    # The order statistics of the table in Conover, "Practical Nonparametric Statistics", for 95 %.
    assert median_interval([float(value) for value in range(count, 0, -1)]) == ends


def test_the_front_is_what_nothing_beats() -> None:
    places = {"a": (1.0, 1.0), "b": (2.0, 3.0), "c": (2.5, 2.0), "d": (3.0, 3.0), "e": (4.0, 9.0)}
    common = {"tone": "set", "low": None, "high": None}
    rows = [{**common, "key": k, "label": k, "size": size, "speed": speed} for k, (size, speed) in places.items()]
    assert front(rows) == {"a", "b", "e"}
    spec = pareto(rows, size="s", speed="v", description="d")
    assert {row["key"] for row in spec["data"]["values"] if row["named"]} == {"a", "b", "e"}
    close = [{**common, "key": k, "label": k, "size": s, "speed": v} for k, s, v in (("p", 1, 9.0), ("q", 2, 9.1))]
    close[0]["tone"] = "chosen"
    data = pareto(close, size="s", speed="v", description="d")["data"]["values"]
    assert [(row["key"], row["named"]) for row in data] == [("q", False), ("p", True)]  # the chosen on top


def test_the_chosen_and_the_presets_are_named_beside_their_dots() -> None:
    chart = trade(published()).chart
    assert chart is not None
    assert {row["aside"] for row in chart["data"]["values"] if row["aside"]} == {
        "zlib:1",
        "common stack",
        "original design",
    }


def test_report_writes_every_format_whole_and_again_the_same(tmp_path: Path) -> None:
    write_record(validate(published(), source="x"), tmp_path / "record.json")
    first = rendered.render(tmp_path)
    assert first.left_out == ()
    names = ["report.md", "report.svg", "report.html", "samples.csv", "samples.parquet"]
    assert [path.name for path in first.paths] == names
    before = {path.name: path.read_bytes() for path in first.paths}
    rendered.render(tmp_path)
    assert {path.name: path.read_bytes() for path in first.paths} == before
    assert {path.name for path in tmp_path.iterdir()} == {*names, "record.json"}


def test_what_a_missing_library_leaves_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> str:
        raise UnavailableError("the page needs jinja2: pip install 'packhorse[report]'")

    write_record(validate(published(), source="x"), tmp_path / "record.json")
    monkeypatch.setattr(html, "render", missing)
    done = rendered.render(tmp_path)
    assert done.left_out == ("report.html was not written: the page needs jinja2: pip install 'packhorse[report]'",)
    assert not (tmp_path / "report.html").exists()
    assert (tmp_path / "samples.csv").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"kind":"study","schema_version":1}', "not a record"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"kind":"study","name":"x","schema_version":9}', "schema_version"),
        ('{"kind":"study","name":"pools","schema_version":1,"samples":3}', "not of the form"),
    ],
)
def test_a_wrong_study_is_named_and_nothing_is_written(tmp_path: Path, text: str, why: str) -> None:
    write_record(validate(published(), source="x"), tmp_path / "record.json")
    (tmp_path / "study-wrong.json").write_text(text)
    with pytest.raises(RecordError, match=rf"study-wrong\.json: .*{why}"):
        rendered.render(tmp_path)
    assert not (tmp_path / "report.md").exists()


@pytest.mark.parametrize("text", ["[1]", "{}", '{"kind":"gate","name":"x"}', '{"schema_version":1,"studies":{}}'])
def test_what_only_has_a_study_s_name_is_left_out_and_named(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_record(validate(published(), source="x"), tmp_path / "record.json")
    other = tmp_path / "study-statistics.json"
    other.write_text(text)
    assert run(["report", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    why = "it is not a record of packhorse study, whose kind is 'study'"
    assert captured.err == f"study-statistics.json was left out: {why}\n"
    assert len(captured.out.splitlines()) == 5
    assert run(["report", str(tmp_path), "--study", str(other)]) == 2  # asked for by name
    assert "study-statistics.json: not a record of packhorse study" in capsys.readouterr().err


def test_names_are_hostile_in_the_fixture() -> None:
    assert HOSTILE in hostile()["winner"]["pipeline"]
