"""A gate's record as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

from packhorse.bench.report.gate.facts import WORDS, change, percent, verdict

#: XML 1.0 allows no other control characters, not even escaped.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_FAILING = {"regressed", "broken"}
_OPEN = {"unresolved", "inconclusive: environment", "base failed"}


def junit(record: dict[str, Any]) -> str:
    """One test case a row: regressed and broken rows are failures, unresolved ones errors, new ones skipped."""
    rows = record["rows"]
    count = {name: sum(row["outcome"] in kinds for row in rows) for name, kinds in _KINDS.items()}
    totals = {name: str(value) for name, value in count.items()}
    suite = ET.Element("testsuite", {"name": "packhorse gate", "tests": str(len(rows)), **totals})
    for row in rows:
        seconds = row.get("head_s") or 0.0
        case = ET.SubElement(
            suite, "testcase", classname="packhorse.gate", name=_clean(row["name"]), time=f"{seconds:.9f}"
        )
        text = f"{WORDS[row['outcome']]}: {change(row)}, margin {percent(1 + row['margin_ratio'])}"
        text = _clean(f"{text}; {row['error']}" if "error" in row else text)
        for element, kinds in _ELEMENTS.items():
            if row["outcome"] in kinds:
                ET.SubElement(case, element, message=text)
        ET.SubElement(case, "system-out").text = text
    ET.SubElement(suite, "system-out").text = _clean(verdict(record))
    tree = ET.Element("testsuites")
    tree.append(suite)
    ET.indent(tree)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(tree, encoding="unicode")}\n'


_KINDS = {"failures": _FAILING, "errors": _OPEN, "skipped": {"new"}}
_ELEMENTS = {"failure": _FAILING, "error": _OPEN, "skipped": {"new"}}


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
