"""Draws docs/img: screenshots of the report and of a gate's summary, light and dark: ``python docs/build_pictures.py``.

Everything comes from the records in reports/; nothing is measured. Needs Debian's Chromium and ``packhorse[test]``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from playwright.sync_api import Browser, sync_playwright

from packhorse.bench.gate.record import read_gate
from packhorse.bench.race.record import read_plain
from packhorse.bench.report import html
from packhorse.bench.report.gate.facts import WORDS
from packhorse.bench.report.gate.markdown import markdown
from packhorse.bench.report.study_records import read_studies

DOCS = Path(__file__).parent
REPORTS = DOCS.parent / "reports"
TARGET = DOCS / "img"
SCHEMES = ("light", "dark")
#: The largest picture, in bytes: several of them are loaded with the README.
MOST_BYTES = 300_000
#: As in tests/bench/report/test_browser.py: the sandbox needs a kernel feature that containers often lack.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]

#: How GitHub sets a summary, roughly.
_SUMMARY = """<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><style>
:root { color-scheme: light dark; }
body { margin: 0; padding: 24px 32px; font: 15px/1.5 system-ui, sans-serif; background: light-dark(#fff, #14161a);
  color: light-dark(#1b1d21, #eceef2); }
h1 { line-height: 1.25; margin: 0 0 12px; padding-bottom: 8px; border-bottom: 1px solid light-dark(#d9dce2, #3a3f48); }
table { border-collapse: collapse; margin: 12px 0; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid light-dark(#d9dce2, #3a3f48); padding: 5px 12px; text-align: left; white-space: nowrap; }
.passed { color: light-dark(#116329, #4ac26b); }
.regressed { color: light-dark(#b3181f, #ff7b72); font-weight: 600; }
.unresolved { color: light-dark(#7d4e00, #d4a72c); }
code { background: light-dark(#eff1f3, #2a2e36); padding: .15em .35em; border-radius: 5px; font-size: .88em; }
</style><body>"""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture.

    Attributes:
        name: Of the file, without scheme and ending.
        page: The HTML document.
        width: Of the window, in CSS pixels.
        height: Of what is shown from the page's top; None for the element's own.
        element: A selector of what is shown alone; empty for the page from its top.
    """

    name: str
    page: str
    width: int
    height: int | None = None
    element: str = ""


def pictures() -> Iterator[Picture]:
    """All pictures of docs/img."""
    race = html.render(read_plain(REPORTS / "race-default"), read_studies([REPORTS / "study-pools.json"]))
    yield Picture("report", race, 1160, 780)
    yield Picture("trade", race, 760, element="#figure-trade")
    yield Picture("pools", race, 1160, element="figure:has-text('through same-region, bodies of 20 kB')")
    summary = MarkdownIt("commonmark").enable("table").render(markdown(read_gate(REPORTS / "gate-example")))
    yield Picture("gate", _SUMMARY + _coloured(summary), 1250, element="body")


def _coloured(summary: str) -> str:
    """Outcomes in the colours that they have on a terminal: green, red, and amber for what was not decided."""
    for outcome, word in WORDS.items():
        colour = {"passed": "passed", "regressed": "regressed", "broken": "regressed"}.get(outcome, "unresolved")
        summary = summary.replace(f"<td>{word}</td>", f'<td class="{colour}">{word}</td>')
    return summary


def draw(browser: Browser, picture: Picture, folder: Path) -> Iterator[Path]:
    """Write a picture in each scheme into docs/img; yields the files."""
    file = folder / f"{picture.name}.html"
    file.write_text(picture.page, encoding="utf-8")
    for scheme in SCHEMES:
        view = {"width": picture.width, "height": picture.height or 900}
        page = browser.new_page(viewport=view, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(file.as_uri())
        if "data-plot" in picture.page:
            page.wait_for_selector("html[data-drawn=all]", state="attached")
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            raise SystemExit(f"{picture.name}: cut off at {picture.width} pixels; give it more in pictures()")
        target = TARGET / f"{picture.name}-{scheme}.png"
        shown = page.locator(picture.element) if picture.element else page
        shown.screenshot(path=target, animations="disabled")
        page.close()
        yield target


def main() -> int:
    """Draw all; 1 when one is too large."""
    program = shutil.which("chromium")
    if program is None:
        sys.stderr.write("chromium is not installed: apt-get install chromium\n")
        return 1
    too_large = False
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        for picture in pictures():
            for target in draw(browser, picture, Path(place)):
                size = target.stat().st_size
                too_large = too_large or size > MOST_BYTES
                sys.stdout.write(f"{target.relative_to(DOCS.parent)}: {size:,} bytes\n")
        browser.close()
    return 1 if too_large else 0


if __name__ == "__main__":
    sys.exit(main())
