"""Tables in the documentation, written from the records: ``python -m docs.build_tables docs/methodology.md``.

A table stands between ``<!-- table: NAME from RECORD -->`` and ``<!-- end of table -->``; the record's path is relative
to the document. Everything between the two lines is replaced. ``--check`` writes nothing and exits 1 where a table is
not in step with its record.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from packhorse.bench.report.text import percent, table
from packhorse.errors import InputError
from packhorse.files import write_text

_BLOCK = re.compile(r"(<!-- table: (\S+) from (\S+) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)
_NOISES = {"method": "as measured", "one-sided": "one-sided", "gaussian": "Gaussian"}

Figures = dict[str, Any]


def render(text: str, folder: Path) -> str:
    """``text`` with every marked table written anew from its record.

    Args:
        text: A Markdown document.
        folder: Where it stands; the records' paths are relative to it.

    Raises:
        InputError: An unknown table, or a record that is missing or is not JSON. Names both.
    """

    def written(match: re.Match[str]) -> str:
        begin, name, source, _, end = match.groups()
        maker = TABLES.get(name)
        if maker is None:
            raise InputError(f"table {name!r} is unknown; there are {', '.join(sorted(TABLES))}")
        try:
            record = json.loads((folder / source).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"table {name!r}: {source}: {error}") from error
        return f"{begin}\n{chr(10).join(maker(record))}\n\n{end}"

    return _BLOCK.sub(written, text)


def _coverage(record: Figures) -> list[str]:
    rows = [row for row in record["studies"]["interval_coverage"] if row["centre"] == "median"]
    plain = {(row["noise"], row["blocks"]): row for row in rows if row["level"] == "plain"}
    body = [
        (
            _NOISES[row["noise"]],
            str(row["blocks"]),
            percent(plain[row["noise"], row["blocks"]]["coverage"]),
            f"**{percent(row['coverage'])}**",
            f"{row['median_width']:.4f}",
            str(row["runs"]),
        )
        for row in rows
        if row["level"] == "widened"
    ]
    return table(("noise", "blocks", "plain BCa holds it", "widened, as used", "median width (log)", "runs"), body)


def _family_wise(record: Figures) -> list[str]:
    body = [
        (
            str(row["rows"]),
            str(row["blocks"]),
            f"**{percent(row['family_wise_error'])}**",
            percent(row["environment_called_different"]),
            str(row["runs"]),
        )
        for row in record["studies"]["family_wise_error"]
    ]
    return table(("equal rows", "blocks", "any called different", "A/A called different", "runs"), body)


def _winner_set(record: Figures) -> list[str]:
    rows = record["studies"]["winner_set"]
    arch = {(row["noise"], row["truth"], row["blocks"]): row for row in rows if row["method"] == "arch"}
    body = [
        (
            _NOISES[row["noise"]],
            row["truth"],
            str(row["blocks"]),
            f"**{percent(row['coverage'])}**",
            f"{row['mean_size']:.1f}",
            percent(arch[row["noise"], row["truth"], row["blocks"]]["coverage"]),
            str(row["runs"]),
        )
        for row in rows
        if row["method"] == "sign-flip"
    ]
    header = ("noise", "truth", "blocks", "set holds every best one", "mean size", "the same by `arch`", "runs")
    return table(header, body)


def _early_exits(record: Figures) -> list[str]:
    body = [
        (
            _NOISES[row["noise"]],
            row["truth"],
            f"**{percent(row['best_dropped'])}**",
            percent(row["measuring_saved"]),
            str(row["runs"]),
        )
        for row in record["studies"]["elimination"]
        if row["spending"] == "pocock"
    ]
    return table(("noise", "truth", "a best one left", "measuring saved", "runs"), body)


def _gate(record: Figures) -> list[str]:
    body = [
        (
            row["machine"],
            str(row["blocks"]),
            row["planted"],
            *(percent(row[key]) for key in ("passed", "regressed", "unresolved", "measured_again")),
            str(row["runs"]),
        )
        for row in record["studies"]["gate"]
    ]
    outcomes = ("passed", "regressed", "unresolved", "measured again")
    return table(("machine", "blocks", "planted", *outcomes, "runs"), body)


#: Name in a document → what makes its lines from the record.
TABLES: dict[str, Callable[[Figures], Iterable[str]]] = {
    "interval-coverage": _coverage,
    "family-wise-error": _family_wise,
    "winner-set": _winner_set,
    "early-exits": _early_exits,
    "gate-simulated": _gate,
}


def main(arguments: list[str] | None = None) -> int:
    """Rewrite the tables of the documents given; 1 with ``--check`` where one was not in step.

    Raises:
        InputError: See :func:`render`; the documents are as they were.
    """
    parser = argparse.ArgumentParser(prog="docs.build_tables", description=__doc__)
    parser.add_argument("documents", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing, say what is not in step")
    options = parser.parse_args(arguments)
    stale = []
    for document in options.documents:
        text = document.read_text(encoding="utf-8")
        fresh = render(text, document.parent)
        if fresh != text:
            stale.append(document)
            if not options.check:
                write_text(document, fresh)
    for document in stale:
        sys.stdout.write(f"{document}: {'not in step with its records' if options.check else 'tables written'}\n")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
