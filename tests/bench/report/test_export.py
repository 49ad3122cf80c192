from __future__ import annotations

import csv
import io

import pytest
from pyarrow import parquet  # type: ignore[import-untyped]

from packhorse.bench.report.export import csv_text
from packhorse.bench.report.export_parquet import parquet_bytes
from packhorse.bench.report.samples import COLUMNS, rows
from tests.bench.report.records import hostile, published


def test_every_sample_is_a_row() -> None:
    record = published()
    found = list(rows(record))
    measured = [*record["results"], *record["published"]["results"]]
    assert sum(row["kind"] == "measured" for row in found) == sum(len(row["samples"]) for row in measured)
    assert sum(row["kind"] == "warm-up" for row in found) == len(record["warmups"])
    assert all(list(row) == list(COLUMNS) for row in found)


def test_csv_reads_back_to_the_same_values() -> None:
    record = published()
    back = list(csv.DictReader(io.StringIO(csv_text(record), newline="")))
    for text, row in zip(back, rows(record), strict=True):
        for name, kind in COLUMNS.items():
            value = row[name]
            assert text[name] == ("" if value is None else value if kind is str else repr(value))


def test_parquet_is_typed_and_holds_the_same_rows() -> None:
    record = published()
    table = parquet.read_table(io.BytesIO(parquet_bytes(record)))
    assert table.column_names == list(COLUMNS)
    assert str(table.schema.field("wall_s").type) == "double"
    assert table.to_pylist() == list(rows(record))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_text_that_a_spreadsheet_would_run_is_quoted(start: str) -> None:
    record = published()
    record["results"][0]["samples"][0]["arm"] = f"{start}HYPERLINK(1)"
    back = list(csv.DictReader(io.StringIO(csv_text(record), newline="")))
    assert any(row["arm"] == f"'{start}HYPERLINK(1)" for row in back)
    assert not any(row["arm"].startswith(start) for row in back)


def test_hostile_names_survive_and_halves_of_pairs_can_be_written() -> None:
    record = hostile()
    record["results"][0]["samples"][0]["arm"] = "half \ud800 pair"
    assert r"half \ud800 pair" in csv_text(record)
    names = parquet.read_table(io.BytesIO(parquet_bytes(record))).column("arm").to_pylist()
    assert r"half \ud800 pair" in names


def test_exports_are_the_same_bytes_each_time() -> None:
    assert csv_text(published()) == csv_text(published())
    assert parquet_bytes(published()) == parquet_bytes(published())
