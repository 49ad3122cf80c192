"""A record's samples as CSV, for spreadsheets and dashboards; the same record gives the same bytes."""

from __future__ import annotations

import csv
import io
from typing import Any

from packhorse.bench.report.samples import COLUMNS, rows

#: A text that begins so is a formula to a spreadsheet (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_text(record: dict[str, Any]) -> str:
    """All samples as RFC 4180 CSV with a header: floats in full, nothing where there is no value.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows(record):
        writer.writerow([_cell(value) for value in row.values()])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return "" if value is None else repr(value)
    text = value.encode("utf-8", "backslashreplace").decode()  # halves of surrogate pairs cannot be written
    return f"'{text}" if text.startswith(_FORMULA) else text
