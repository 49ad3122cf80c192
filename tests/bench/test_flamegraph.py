"""Flamegraphs: one file, nothing from the network, every thread in it; and errors in words."""

from __future__ import annotations

import html
import re
import sys
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest

from packhorse.bench.flamegraph import draw as flamegraph
from packhorse.bench.flamegraph.draw import FlamegraphError, Watched, memory_html, time_html
from packhorse.cli import run
from packhorse.errors import UnavailableError

PIPELINE = "json-iterencode | zlib:6 | base64-stdlib | obstore"


class Loads(HTMLParser):
    """What a browser would load for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in {"script", "img", "iframe", "link", "object", "embed", "use", "image"}:
            self.found += [value for name in ("src", "href", "xlink:href", "data") if (value := named.get(name))]
        self.found += re.findall(r"url\(['\"]?(http[^)]*)", named.get("style") or "")


def loaded(page: str) -> list[str]:
    parser = Loads()
    parser.feed(page)
    return [address for address in parser.found if not address.startswith(("#", "data:"))]


def test_a_race_draws_time_and_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--target", "rclone", "--quick", "-o", str(tmp_path)]
    assert run(["race", "--flamegraph", PIPELINE, "--flamegraph-memory", PIPELINE, *options]) == 0
    assert "captures/s" in capsys.readouterr().out
    page = (tmp_path / "flamegraph.html").read_text()
    assert loaded(page) == []
    assert loaded((tmp_path / "flamegraph-memory.html").read_text()) == []
    # The threads that do the work, and what they do.
    assert "packhorse-upload" in page
    assert "iterencode" in page
    assert 'id="search"' in page
    for folder in (sys.prefix, str(tmp_path)):
        assert folder not in page
    assert not (tmp_path / "record.json").exists()


@pytest.mark.parametrize(("text", "says"), [("orjson | gzip:1 | raw", "fourth part"), ("nonsense", "not a pipeline")])
def test_unusable_pipelines_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    assert run(["race", "--flamegraph", text, "--target", "rclone", "-o", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_drawn_with_its_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, Watched, Path]] = []
    import packhorse.bench.flamegraph.study as module

    monkeypatch.setattr(module, "time_html", lambda w, p, *, title: seen.append((title, w, p)))
    monkeypatch.setattr(module, "memory_html", lambda w, p: seen.append(("memory", w, p)))
    files = [tmp_path / "time.html", tmp_path / "memory.html"]
    pictures = ["--flamegraph", str(files[0]), "--flamegraph-memory", str(files[1])]
    assert run(["study", "streaming", "--quick", *pictures]) == 0
    assert [path for _, _, path in seen] == files
    for _, watched, _ in seen:
        assert watched.subprocesses
        assert list(watched.arguments[:5]) == ["study", "streaming", "--quick", "--seed", "1"]
        assert watched.proof is not None


@pytest.mark.parametrize("draw", ["time", "memory"])
def test_a_program_that_fails_makes_no_picture(tmp_path: Path, draw: str) -> None:
    watched = Watched("packhorse", ["upload", "missing.har", "s3://bucket/x"], proof=tmp_path / "proof")
    page = tmp_path / "page.html"
    drawing = partial(time_html, title="t") if draw == "time" else memory_html
    with pytest.raises(FlamegraphError, match="no flamegraph"):
        drawing(watched, page)
    assert not page.exists()


def test_missing_profilers_are_named_with_their_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda *_: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UnavailableError, match=r"py-spy is not installed.*packhorse\[profile\]"):
        time_html(Watched("packhorse"), tmp_path / "x", title="t")
    with pytest.raises(UnavailableError, match=r"memray is not installed.*packhorse\[profile\]"):
        memory_html(Watched("packhorse"), tmp_path / "x")


def test_titles_cannot_break_out() -> None:
    svg = '<?xml?><svg><text id="title" x="1">/home/me/py-spy record</text>truncate_text_right = false</svg>'
    picture = flamegraph._inline(svg)
    assert picture == '<svg><text id="title" x="1"></text>truncate_text_right = true</svg>'
    assert "&lt;script&gt;" in flamegraph._PAGE.format(title=html.escape("<script>"), about="", svg="")
