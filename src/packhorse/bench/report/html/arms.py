"""End-to-end rows of a record, as the page orders, names and colours them."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.names import shown_rows

Record = dict[str, Any]
Row = dict[str, Any]


def ordered(record: Record) -> list[Row]:
    """Measured rows as all tables show them, the A/A twin left out.

    Of those that were raced for text alone, and are the others with base64, only the first: it stands for all.
    """
    rows = [row for row in shown_rows(record) if row["captures_per_s"] is not None]
    first = next((row for row in rows if _for_text(row)), None)
    return [row for row in rows if row is first or not _for_text(row)]


def _for_text(row: Row) -> bool:
    return bool(row.get("for_text")) and row["verdict"] is None


def tone(row: Row, record: Record) -> str:
    """``chosen``, ``set``, ``candidate``, ``common`` or ``reference``."""
    winner = record["winner"]
    if row["arm"] == winner["arm"]:
        return "chosen"
    if row["arm"] in winner.get("set_arms", ()):
        return "set"
    return str(row["role"]) if row["role"] in {"common", "reference"} else "candidate"


def verdict(row: Row, record: Record) -> str:
    """The row's verdict in words; the first of a race that decided nothing is ahead, and not the fastest."""
    if row["verdict"] is None:
        return "–"
    ahead = row["verdict"]["word"] == "fastest" and not record["winner"]["conclusive"]
    return "ahead" if ahead else str(row["verdict"]["text"])


def label(row: Row, record: Record, *, shortest: bool = False) -> str:
    """A row's name in plots and tables, short enough for a phone: its compressor, client and number in flight.

    Encoder and base64 stand in it where they are not those of the chosen pipeline. The presets have what they stand for
    and their number in flight in front: their long names are cut where there is no room.

    Args:
        row: A row of the results.
        record: Its record.
        shortest: Leave out the client, and the number in flight, too, where they are the chosen pipeline's.
    """
    name = {"common": "common stack", "reference": "original design"}.get(tone(row, record))
    words, (usual, flight) = row["arm"].rpartition(" @")[0].split(" | "), _chosen(record)
    kept = f" @{row['in_flight']}"
    if len(words) == len(usual) == 4:
        left_out = {0, 2, 3} if shortest else {0, 2}
        same = [index for index in range(4) if index in left_out and words[index] == usual[index]]
        words = [word for index, word in enumerate(words) if index not in same]
        kept = "" if shortest and not name and row["in_flight"] == flight else kept
    if name:
        return f"{name}{kept}: {' | '.join(words)}"
    more = sum(map(_for_text, record["results"])) - 1 if _for_text(row) else 0
    stands_for = f" (and {more} more with base64)" if more else ""
    chosen = " (chosen)" if tone(row, record) == "chosen" and not shortest else ""
    return f"{' | '.join(words)}{kept}{chosen}{stands_for}"


def left_out(record: Record, *, shortest: bool = False) -> str:
    """A sentence on what :func:`label` leaves out; empty where nothing is."""
    words, flight = _chosen(record)
    if len(words) != 4:
        return ""
    client = f", {words[3]} @{flight}" if shortest else ""
    return f"Names leave out what the chosen pipeline has, too: {words[0]}, {words[2]}{client}."


def _chosen(record: Record) -> tuple[list[str], int | None]:
    """The chosen arm's stages and number in flight; no stages where nothing was chosen."""
    row = next((row for row in record["results"] if tone(row, record) == "chosen"), None)
    return (row["arm"].rpartition(" @")[0].split(" | "), row["in_flight"]) if row else ([], None)
