"""The report of ``packhorse study large``, from its document alone."""

from __future__ import annotations

from typing import Any

from packhorse.bench.report.text import number, seconds, table
from packhorse.units import format_bytes

Document = dict[str, Any]
_LOOP_HEADER = (
    "an upload",
    "watched",
    "worst, median",
    "worst of all",
    "of it for want of a core",
    "late of 1,000 ticks",
)
_ITERATOR_HEADER = ("link", "", "encoding alone", "sending alone", "uploader", "over the slower", "memory above")


def markdown(document: Document) -> str:
    """The whole report, ending in a newline."""
    settings = document["settings"]
    loop = [
        (
            arm,
            str(row["watched"]),
            seconds(row["lag_median_of_max_s"]),
            seconds(row["lag_max_s"]),
            seconds(row["of_it_in_a_queue_for_a_core_s"]),
            number(row["late_ticks_per_1000"]),
        )
        for arm, row in document["event_loop"].items()
    ]
    iterator = [
        (
            link,
            how,
            seconds(row["encode_s"]),
            seconds(row["send_s"]),
            seconds(row["uploader_s"]),
            "{median:.2f} ({min:.2f} to {max:.2f})".format(**row["uploader_over_the_slower"]),
            format_bytes(row["uploader_peak_bytes"]),
        )
        for link, rows in document["iterator"].items()
        for how, row in rows.items()
    ]
    return "\n".join(
        [
            "# A large capture on its way through the uploader",
            "",
            f"`{' '.join(document['command'])}`",
            "",
            f"`{settings['pipeline']}` to {settings['target']}, {settings['blocks']} blocks.",
            "",
            f"## An event loop while {format_bytes(settings['loop_capture_bytes'])} go up",
            "",
            "How late the loop's ticks of 1 ms come. *In another process* the upload has the same cores and not the",
            "same interpreter: what the loop meets there is the machine's doing, as threads and the server want cores.",
            "",
            *table(_LOOP_HEADER, loop),
            "",
            f"## {format_bytes(settings['iterator_capture_bytes'])} from an iterator",
            "",
            "Sending cannot begin before the first part of 5 MiB, S3's least, is encoded; and on few cores the server,",
            "the encoder and the client share what one of them alone has for itself.",
            "",
            *table(_ITERATOR_HEADER, iterator),
            "",
        ]
    )
