"""Records of ``packhorse study`` on the page: heat maps and lines of whatever tables they bring."""

from __future__ import annotations

from typing import Any

from packhorse.report.html.model import Section

Record = dict[str, Any]


def sections(records: list[Record]) -> list[Section]:
    """A section for each study record that has figures to draw."""
    return []
