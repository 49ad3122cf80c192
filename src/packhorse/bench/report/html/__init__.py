"""The report as one self-contained HTML page: it loads nothing, runs only its own scripts, and opens from disk."""

from packhorse.bench.report.html.page import render

__all__ = ["render"]
