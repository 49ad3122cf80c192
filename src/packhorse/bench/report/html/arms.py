"""End-to-end rows of a record, as the page orders, names and colours them."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.names import shown_rows

Record = dict[str, Any]
Row = dict[str, Any]

_MARKS = {"chosen": "◆ chosen", "set": "● in the set", "reference": "the original design", "common": "the common stack"}


def ordered(record: Record) -> list[Row]:
    """Measured rows as all tables show them, the A/A twin left out."""
    return [row for row in shown_rows(record) if row["captures_per_s"] is not None]


def tone(row: Row, record: Record) -> str:
    """``chosen``, ``set``, ``candidate``, ``common`` or ``reference``."""
    winner = record["winner"]
    if row["arm"] == winner["arm"]:
        return "chosen"
    if row["arm"] in winner.get("set_arms", ()):
        return "set"
    return str(row["role"]) if row["role"] in {"common", "reference"} else "candidate"


def mark(row: Row, record: Record) -> str:
    """The tone in words; empty for a plain candidate."""
    return _MARKS.get(tone(row, record), "")


def label(row: Row, record: Record, *, shortest: bool = False) -> str:
    """A row's name in plots, short enough for a phone: its mark, compressor, client and number in flight.

    Encoder and base64 stand in it where they are not those of the chosen pipeline. The presets have what they stand for
    and their number in flight in front: their long names are cut where there is no room.

    Args:
        row: A row of the results.
        record: Its record.
        shortest: Leave out the client, and the number in flight, too, where they are the chosen pipeline's.
    """
    sign = {"chosen": "◆ ", "set": "● "}.get(tone(row, record), "")
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
    return f"{sign}{' | '.join(words)}{kept}"


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
