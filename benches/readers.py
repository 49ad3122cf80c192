"""Who can read what each packaged profile stores, as a table: ``python -m benches.readers``.

A capture is uploaded with each profile to a local S3. Then every reader that is installed is given the object as people
have it: its address, or a file with the key's ending. ``tests/test_readers.py`` holds the table in
docs/howto/read-with-standard-tools.md against it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from packhorse.bench.lab.targets import start_target
from packhorse.profiles.loading import load_profile
from packhorse.stores.botocore_client import BotocoreClient
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader

PROFILES = ("default", "plain", "cheapest", "smallest", "text")
CAPTURE = {"log": {"version": "1.2", "entries": [{"n": n, "text": "é" * n} for n in range(50)]}}
#: The wheel of brotli has no command.
_BROTLI = "import brotli, sys; sys.stdout.buffer.write(brotli.decompress(sys.stdin.buffer.read()))"
_TOOLS = {
    "gz": ("gzip", "-dc"),
    "xz": ("xz", "-dc"),
    "br": ("brotli", "-dc") if shutil.which("brotli") else (sys.executable, "-c", _BROTLI),
    "b64": ("base64", "-d"),
}


class Stored(NamedTuple):
    """An object: a presigned address, and a file with the key's ending."""

    url: str
    file: Path


@contextmanager
def objects() -> Iterator[dict[str, Stored]]:
    """An object of each profile at a local S3."""
    with start_target("moto") as target, tempfile.TemporaryDirectory() as folder:
        client = BotocoreClient(target.endpoint, 1)
        found = {}
        for name in PROFILES:
            options = UploaderOptions(endpoint=target.endpoint)
            address = f"s3://{target.endpoint.bucket}/{name}"
            with Uploader(address, profile=load_profile(name), redact=False, options=options) as uploader:
                ticket = uploader.submit(CAPTURE)
                ticket.result(30)
            where = {
                "Bucket": target.endpoint.bucket,
                "Key": ticket.url.removeprefix(f"s3://{target.endpoint.bucket}/"),
            }
            file = Path(folder) / where["Key"].rpartition("/")[2]
            file.write_bytes(client.sdk.get_object(**where)["Body"].read())
            found[name] = Stored(client.sdk.generate_presigned_url("get_object", Params=where), file)
        yield found
        client.close()


def _ending(stored: Stored) -> str:
    """``.json.gz``; a key's name has dots of its own before that."""
    return ".json" + stored.file.name.rpartition(".json")[2]


def _curl(stored: Stored) -> bool:
    done = subprocess.run(["curl", "-sf", "--compressed", stored.url], capture_output=True, check=False)
    return _is_capture(done.stdout)


def _browser(stored: Stored) -> bool:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch()
        page = browser.new_page()
        page.goto(stored.url)
        text = page.inner_text("body")
        browser.close()
    return _is_capture(text.encode())


def _tools(stored: Stored) -> bool:
    """What ``aws s3 cp … -`` writes, through the tool for each ending."""
    body = stored.file.read_bytes()
    for ending in reversed(_ending(stored).split(".")[2:]):
        tool = _TOOLS[ending]
        if shutil.which(tool[0]) is None:
            raise ModuleNotFoundError(tool[0])
        body = subprocess.run(tool, input=body, capture_output=True, check=False).stdout
    return _is_capture(body)


def _duckdb(stored: Stored) -> bool:
    duckdb = import_module("duckdb")
    entries = duckdb.sql(f"select len(log.entries) from read_json('{stored.file}', maximum_object_size=100000000)")
    return bool(entries.fetchall() == [(50,)])


def _polars(stored: Stored) -> bool:
    polars = import_module("polars")
    return len(polars.read_ndjson(stored.file)["log"][0]["entries"]) == 50


def _pandas(stored: Stored) -> bool:
    pandas = import_module("pandas")
    return len(pandas.read_json(stored.file, typ="series")["log"]["entries"]) == 50


def _pyarrow(stored: Stored) -> bool:
    pyarrow, json_of = import_module("pyarrow"), import_module("pyarrow.json")
    options = json_of.ReadOptions(block_size=100_000_000)
    with pyarrow.input_stream(str(stored.file), compression="detect") as source:
        table = json_of.read_json(source, read_options=options)
    return len(table["log"][0]["entries"].as_py()) == 50


#: Readers by their titles, each with what it needs.
READERS: dict[str, tuple[Callable[[Stored], bool], str]] = {
    "curl --compressed": (_curl, "curl"),
    "browser": (_browser, "playwright"),
    "aws s3 cp and tools": (_tools, ""),
    "DuckDB read_json": (_duckdb, "duckdb"),
    "polars read_ndjson": (_polars, "polars"),
    "pandas read_json": (_pandas, "pandas"),
    "pyarrow.json": (_pyarrow, "pyarrow"),
}


def _is_capture(body: bytes) -> bool:
    try:
        return bool(json.loads(body) == CAPTURE)
    except ValueError:
        return False


def cell(reader: str, stored: Stored) -> str:
    """``yes``, ``no``, or ``?`` where the reader is not installed."""
    read, needs = READERS[reader]
    if needs and find_spec(needs) is None and shutil.which(needs) is None:
        return "?"
    try:
        return "yes" if read(stored) else "no"
    except ModuleNotFoundError:
        return "?"
    except Exception as error:  # noqa: BLE001  # each reader has its own way to say that it cannot
        return "?" if "playwright install" in str(error) else "no"


def table(found: dict[str, Stored]) -> list[list[Any]]:
    """Title row and a row for each profile."""
    rows = [["profile", "key ends in", *READERS]]
    for name, stored in found.items():
        rows.append([name, f"`{_ending(stored)}`", *(cell(reader, stored) for reader in READERS)])
    return rows


def main() -> int:
    """Print the table."""
    with objects() as found:
        rows = table(found)
    rows.insert(1, ["---"] * len(rows[0]))
    sys.stdout.write("\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
