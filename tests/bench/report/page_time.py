"""How large a race's page is and how soon it can be used.

``python -m tests.bench.report.page_time reports/race-default``

No test: it measures, and asserts nothing. Needs Chromium.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from packhorse.bench.race.record import read_plain
from packhorse.bench.report.html import render

LOADS = 7
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main(folder: Path) -> None:
    """Print size, and medians over loads in fresh tabs of one browser, from the file system."""
    text = render(read_plain(folder))
    ready_ms, drawn_ms = [], []
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        file = Path(place) / "report.html"
        file.write_text(text, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
        for _ in range(LOADS):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(file.as_uri())
            page.wait_for_selector("html[data-drawn=all]", state="attached")
            ready_ms.append(float(page.evaluate("document.documentElement.dataset.ready")))
            drawn_ms.append(float(page.evaluate("performance.now()")))
            page.close()
        browser.close()
    raw = text.encode()
    sys.stdout.write(
        f"{len(raw):,} bytes ({len(gzip.compress(raw)):,} gzipped); answers after {statistics.median(ready_ms):.0f} ms "
        f"(at worst {max(ready_ms):.0f}), all plots drawn after {statistics.median(drawn_ms):.0f} ms "
        f"(at worst {max(drawn_ms):.0f}) of {LOADS} loads\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
