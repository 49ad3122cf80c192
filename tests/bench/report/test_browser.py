"""The page in a real headless Chromium: what a reader sees and does, and that hostile text does nothing."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect, sync_playwright

from packhorse.bench.report.export import csv_text
from packhorse.bench.report.html import render
from packhorse.bench.report.html.answer import answer
from packhorse.bench.report.html.page import race_sections
from packhorse.bench.report.html.studies import sections
from tests.bench.report.records import HOSTILE, few, hostile, hostile_studies, published, studies

# One process drives the browser; without Chromium the tests are left out by name, or fail where all are required.
pytestmark = [pytest.mark.programs("chromium"), pytest.mark.xdist_group("browser")]

#: The sandbox needs a kernel feature that containers often lack; the pages are our own.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE_MS = 30_000
NARROW = (400, 800)
WIDE = 1400
BARS = "#plot-rates .mark-rect.role-mark path, #plot-rates .mark-rect path"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "chromium is not installed: apt-get install chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "published": folder / "report.html",
        "studies": folder / "with studies.html",
        "few": folder / "with some of each study.html",
        "hostile": folder / "<b>&'%41;\u202e.html",
    }
    made["published"].write_text(render(published()), encoding="utf-8")
    made["studies"].write_text(render(published(), studies()), encoding="utf-8")
    made["few"].write_text(render(published(), few(studies())), encoding="utf-8")
    made["hostile"].write_text(render(hostile(), hostile_studies()), encoding="utf-8")
    return made


@contextmanager
def opened(browser: Browser, file: Path, fragment: str = "", **context: Any) -> Iterator[Page]:
    """The file from disk with all plots drawn; afterwards: no message, no error, and nothing asked of anybody."""
    wrong: list[str] = []
    asked: list[str] = []
    context.setdefault("viewport", {"width": WIDE, "height": 900})
    page = browser.new_page(**context)
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri() + fragment)
    page.wait_for_selector("html[data-drawn=all]", state="attached", timeout=PATIENCE_MS)
    try:
        yield page
    finally:
        page.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith("blob:file:")] == [file.as_uri()]


#: Brings a page back to how it opened, but for the order of its tables.
RESET = """unfolded => {
  history.replaceState(null, "", location.pathname);
  dispatchEvent(new HashChangeEvent("hashchange"));
  document.querySelectorAll("details").forEach((part, index) => { part.open = unfolded[index]; });
  scrollTo(0, 0);
}"""
UNFOLDED = "[...document.querySelectorAll('details')].map(part => part.open)"


@pytest.fixture(scope="module")
def shared(browser: Browser, files: dict[str, Path]) -> Iterator[Callable[[str], Page]]:
    """Pages by name, each opened once: loading and drawing one takes longer than what most tests do with it."""
    with ExitStack() as stack:
        yield cache(lambda which: stack.enter_context(opened(browser, files[which])))


@pytest.fixture
def page(shared: Callable[[str], Page]) -> Iterator[Page]:
    """The published race; afterwards it is as it was."""
    found = shared("published")
    unfolded, bars = found.evaluate(UNFOLDED), found.locator(BARS).count()
    yield found
    found.emulate_media(media="screen", color_scheme="light")
    found.set_viewport_size({"width": WIDE, "height": 900})
    found.evaluate(RESET, unfolded)
    expect(found.locator("#state")).to_have_text("")
    expect(found.locator(BARS)).to_have_count(bars)


def visible_rows(page: Page, table: str) -> list[str]:
    rows = page.locator(f"#table-{table} tbody tr:not([hidden])")
    return [str(key) for key in rows.evaluate_all("rows => rows.map(r => r.dataset.key)")]


def sideways(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def drawn(record: dict[str, Any]) -> int:
    """Figures of a race that have plots."""
    return sum(figure.chart is not None for section in race_sections(record) for figure in section.figures)


@pytest.mark.parametrize("which", ["studies", "hostile"])
def test_every_plot_draws(shared: Callable[[str], Page], which: str) -> None:
    of_race = drawn(published() if which == "studies" else hostile())
    of_studies = sum(
        len(section.figures) for section in sections(studies() if which == "studies" else hostile_studies())
    )
    plots = shared(which).locator("[data-plot]")
    assert plots.count() == of_race + of_studies
    for index in range(plots.count()):
        plot = plots.nth(index)
        assert plot.get_attribute("data-drawn") == "yes"
        marks = plot.locator("svg g[role=graphics-symbol], svg [role=graphics-symbol]").count()
        assert marks >= 3, plot.get_attribute("id")


def test_hostile_text_is_shown_and_does_nothing(shared: Callable[[str], Page]) -> None:
    page = shared("hostile")
    assert page.evaluate("window.owned") is None
    assert page.locator("img, iframe, object, embed, link, base").count() == 0
    assert page.locator("script").count() == 5
    assert "</script><script>window.owned=1" in page.locator("p.pipeline").inner_text()
    for selector in (BARS, "#table-ranking button.pick", "#table-ranking th button"):
        target = page.locator(selector).first
        target.hover()
        target.click()
    page.fill("#filter", HOSTILE[:40])
    assert "</script>" in page.locator("#plot-encode-alone").inner_text()
    assert "</script>" in page.locator("#plot-pools-0").inner_text()
    assert page.evaluate("window.owned") is None


def test_a_hostile_address_does_nothing(browser: Browser, files: dict[str, Path]) -> None:
    fragment = "#pipeline=<img src=x onerror=window.owned=1>&sort=ranking:99:up&filter=)(%5B"
    file = files["published"]
    with opened(browser, file) as page:
        page.evaluate("hash => { location.hash = hash }", fragment)
        expect(page.locator("#state")).to_contain_text("0 of")
        assert page.locator("tr.picked").count() == 0
        assert page.evaluate("window.owned") is None


def test_the_filter_narrows_tables_and_plots_and_stands_in_the_address(page: Page) -> None:
    every, bars = visible_rows(page, "ranking"), page.locator(BARS).count()
    page.fill("#filter", "orjson boto3")
    left = visible_rows(page, "ranking")
    assert 0 < len(left) < len(every)
    assert all("orjson" in key and "boto3" in key for key in left)
    assert "filter=orjson+boto3" in page.url
    expect(page.locator("#state")).to_contain_text("shown")
    expect(page.locator(BARS)).not_to_have_count(bars)
    page.click("#clear")
    assert visible_rows(page, "ranking") == every
    expect(page.locator(BARS)).to_have_count(bars)


def test_a_filter_that_leaves_nothing_breaks_nothing(page: Page) -> None:
    page.fill("#filter", "nothing is called so")
    assert visible_rows(page, "ranking") == []
    page.fill("#filter", "")
    assert len(visible_rows(page, "ranking")) >= 6


def test_an_address_picks_a_pipeline(browser: Browser, files: dict[str, Path]) -> None:
    (common,) = (row for row in published()["results"] if row["role"] == "common")
    arm = common["arm"]
    with opened(browser, files["published"], f"#{urlencode({'pipeline': arm})}&sort=ranking%3A1%3Aup") as page:
        assert arm in visible_rows(page, "ranking")
        assert page.locator("#table-ranking tr.picked").get_attribute("data-key") == arm
        expect(page.locator("#state")).to_have_text(f"picked: {arm}")
        assert page.locator("#table-ranking th[aria-sort=ascending]").inner_text().startswith("captures/s")
        page.click("#clear")
        assert page.locator("#table-ranking tr.picked").count() == 0


def test_a_click_on_a_bar_picks_it_and_the_address_can_be_shared(page: Page) -> None:
    page.locator(BARS).first.click()
    picked = page.locator("#table-ranking tr.picked")
    expect(picked).to_have_count(1)
    key = picked.get_attribute("data-key")
    assert page.evaluate("new URLSearchParams(location.hash.slice(1)).get('pipeline')") == key
    assert page.locator(f"button.pick[data-pick={json.dumps(key)}]").first.get_attribute("aria-pressed") == "true"


def test_tables_sort_by_number_both_ways_with_missing_figures_last(page: Page) -> None:
    heading = page.locator("#table-compress th button", has_text="wall")
    page.locator("#figure-compressors summary").click()
    column = "#table-compress tbody td:nth-child(2)"
    read = "cells => cells.map(c => c.dataset.order === undefined ? null : Number(c.dataset.order))"
    for way in (False, True):
        heading.click()
        values = page.locator(column).evaluate_all(read)
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=way)
        assert values == known + [None] * (len(values) - len(known))


def test_hovering_says_what_is_under_the_pointer(page: Page) -> None:
    bar = page.locator(BARS).first
    bar.scroll_into_view_if_needed()
    page.wait_for_timeout(300)  # scrolling, which takes its time, hides what was said
    bar.hover()
    tip = page.locator("#tip")
    expect(tip).to_be_visible()
    assert re.search(r" @\d+.*\d/s", tip.inner_text(), re.DOTALL)
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_the_data_can_be_downloaded_as_it_was(page: Page, tmp_path: Path) -> None:
    for name in ("samples.csv", "record.json"):
        with page.expect_download() as waiting:
            page.click(f"[data-download='{name}']")
        waiting.value.save_as(tmp_path / name)
    assert (tmp_path / "samples.csv").read_bytes().decode() == csv_text(published())
    assert len(list(csv.reader(io.StringIO(csv_text(published()))))) > 100
    assert json.loads((tmp_path / "record.json").read_text()) == published()


@pytest.mark.parametrize(("which", "width"), [*(("studies", width) for width in NARROW), ("hostile", NARROW[0])])
def test_nothing_needs_scrolling_sideways(browser: Browser, files: dict[str, Path], width: int, which: str) -> None:
    with opened(browser, files[which], viewport={"width": width, "height": 800}) as page:
        fits(page, width)


def test_nothing_needs_scrolling_sideways_on_a_wide_screen(shared: Callable[[str], Page]) -> None:
    fits(shared("studies"), WIDE)


def test_the_last_column_of_a_race_s_tables_is_seen_at_1200_pixels(page: Page) -> None:
    page.set_viewport_size({"width": 1200, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    cut = "all => all.filter(s => s.scrollWidth > s.clientWidth).map(s => s.getAttribute('aria-label'))"
    assert page.locator("#race .scroll, #sure .scroll, #alone .scroll").evaluate_all(cut) == []


def fits(page: Page, width: int) -> None:
    assert sideways(page) <= 0
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert sideways(page) <= 0
    wide = page.locator(".plot:not(.broad) svg").evaluate_all("all => all.map(s => s.getBoundingClientRect().right)")
    assert max(wide) <= width


def test_the_page_follows_a_change_of_width(page: Page) -> None:
    svg = page.locator("#plot-rates svg")
    assert float(svg.get_attribute("width") or 0) > 500
    page.set_viewport_size({"width": 500, "height": 800})
    expect(svg).to_have_attribute("width", re.compile(r"^[1-4]\d\d(\.\d+)?$"), timeout=PATIENCE_MS)


def brightness(page: Page, selector: str, property_name: str) -> float:
    script = "([s, p]) => getComputedStyle(document.querySelector(s))[p].match(/[\\d.]+/g).slice(0, 3).map(Number)"
    return float(sum(page.evaluate(script, [selector, property_name])) / 3)


def test_dark_and_light_follow_the_system_and_the_button(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["published"], color_scheme="dark") as page:
        label = "#plot-rates .role-axis-label text"
        assert brightness(page, "body", "backgroundColor") < 60
        assert brightness(page, label, "fill") > 120
        page.click("#theme")
        assert brightness(page, "body", "backgroundColor") > 200
        assert brightness(page, label, "fill") < 120
        page.click("#theme")
        assert brightness(page, "body", "backgroundColor") < 60


@pytest.mark.parametrize(("scheme", "width"), [("light", NARROW[0]), ("dark", WIDE)])
def test_axe_finds_nothing_serious(browser: Browser, files: dict[str, Path], scheme: str, width: int) -> None:
    viewport = {"width": width, "height": 900}
    with opened(browser, files["few"], color_scheme=scheme, viewport=viewport) as page:
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        # What passes is not asked for: naming its thousands of nodes takes most of the time.
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        serious = [
            (one["id"], node["target"], node["failureSummary"])
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]
        assert serious == []


def test_the_keyboard_reaches_and_works_everything(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["published"]) as page:  # its first key goes to where nothing has been clicked yet
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.locator("#table-ranking th button", has_text="captures/s").focus()
        page.keyboard.press("Enter")
        assert page.locator("#table-ranking th[aria-sort]").count() == 1
        page.locator("#table-ranking button.pick").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("#table-ranking tr.picked").count() == 1


def test_every_plot_has_a_description_and_a_table(page: Page) -> None:
    figures = page.locator("figure")
    for index in range(figures.count()):
        figure = figures.nth(index)
        assert figure.locator("table, details p.soft").count() >= 1
        described = figure.locator(".plot [aria-label], .plot[aria-label]").first.get_attribute("aria-label")
        assert described


def test_paper_gets_all_plots_all_tables_and_no_buttons(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert brightness(page, "body", "backgroundColor") > 250
    expect(page.locator(".bar")).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    assert len(page.pdf()) > 50_000


def test_without_scripts_the_answer_and_the_tables_are_there(browser: Browser, files: dict[str, Path]) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(files["published"].as_uri())
    assert page.locator("h1").inner_text() == answer(published()).headline
    assert page.locator("#table-ranking tbody tr").count() >= 6
    page.close()
