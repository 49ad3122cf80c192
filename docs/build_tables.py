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


def _residuals(record: Figures) -> list[str]:
    body = [
        (
            name,
            percent(row["sd"]),
            f"± {percent(row['half_within'])}",
            f"{row['kurtosis']:.0f}",
            percent(row["process_sd"]),
            str(row["samples"]),
        )
        for name, row in record["studies"]["residuals"].items()
    ]
    header = ("drawn from", "sd of a sample", "half lie within", "kurtosis", "sd of a process", "samples")
    return table(header, body)


def _false_slower(record: Figures) -> list[str]:
    dunnett = {(row["race"], row["arms"]): row["any_slower"] for row in record["studies"]["dunnett"]}
    body = [
        (
            f"{row['race']}, {row['processes']} × {row['rounds']}",
            str(row["arms"]),
            f"**{percent(row['any_slower'])}**",
            percent(row["two_names_apart"]),
            f"± {percent(row['half_width'])}",
            percent(dunnett[row["race"], row["arms"]]) if (row["race"], row["arms"]) in dunnett else "–",
            str(row["runs"]),
        )
        for row in record["studies"]["false_slower"]
    ]
    header = (
        "race", "equal arms", "any called slower", "two names apart", "half-width", "with Dunnett's", "runs",
    )  # fmt: skip
    return table(header, body)


def _power(record: Figures) -> list[str]:
    rows = record["studies"]["power"]
    slower = rows[0]["slower"]
    body = [
        (
            f"{row['race']}, {row['processes']} × {row['rounds']}",
            *(percent(share) for share in row["found"]),
            f"**{percent(row['found_in_80'])}**" if row["found_in_80"] is not None else "–",
        )
        for row in rows
    ]
    return table(("race", *(f"+{100 * ratio:.0f} %" for ratio in slower), "found in 80 of 100"), body)


def _looks(record: Figures) -> list[str]:
    body = [
        (row["truth"], f"**{percent(row['best_lost'])}**", percent(row["left_early"]), str(row["runs"]))
        for row in record["studies"]["looks"]
    ]
    return table(("truth", "a best one left", "arms that left early", "runs"), body)


def _gate(record: Figures) -> list[str]:
    body = [
        (
            f"{row['blocks']} × {row['rounds']}",
            row["planted"],
            *(percent(row[key]) for key in ("passed", "regressed", "unresolved")),
            ", ".join(percent(share) for share in row["found"].values()) or "–",
            str(row["runs"]),
        )
        for row in record["studies"]["gate"]
    ]
    return table(("blocks × rounds", "planted", "passed", "regressed", "unresolved", "found", "runs"), body)


#: Name in a document → what makes its lines from the record.
TABLES: dict[str, Callable[[Figures], Iterable[str]]] = {
    "residuals": _residuals,
    "false-slower": _false_slower,
    "power": _power,
    "looks": _looks,
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
