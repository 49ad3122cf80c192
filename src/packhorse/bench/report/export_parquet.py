"""A record's samples as Parquet: typed columns, for data frames and query engines."""

from __future__ import annotations

import io
from typing import Any

from packhorse.bench.report.samples import COLUMNS, rows
from packhorse.errors import UnavailableError


def parquet_bytes(record: dict[str, Any]) -> bytes:
    """All samples as one Parquet file; the same record gives the same bytes with the same pyarrow.

    Raises:
        UnavailableError: pyarrow is not installed.
    """
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError as error:
        raise UnavailableError(f"Parquet needs pyarrow: pip install 'packhorse[export]' ({error})") from None
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    found = [{key: _value(value) for key, value in row.items()} for row in rows(record)]
    out = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(found, schema=schema), out, compression="zstd")
    return out.getvalue()


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
