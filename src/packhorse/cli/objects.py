"""``packhorse upload`` and ``packhorse fetch``."""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from packhorse.captures.redact import Redactor, load_rules
from packhorse.errors import InputError, UploadFailed
from packhorse.fetching import DEFAULT_MAX_BYTES, fetch_to_file
from packhorse.units import format_bytes, format_s, parse_bytes
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate, Ticket

#: Seconds that requests on the wire get after Ctrl-C.
INTERRUPTED_GRACE_S = 1.0
#: Seconds that files wait for an S3 that is out: somebody sits at the terminal.
OUTAGE_S = 10.0
EXIT_INTERRUPTED = 130


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.argument("url", metavar="s3://bucket/prefix")
@click.option("--endpoint-url", help="S3 endpoint; default: the standard AWS chain.")
@click.option("--profile", help="Name of a packaged profile, or a path to a .toml file.")
@click.option("--redact/--no-redact", default=True, show_default=True, help="Remove secrets before uploading.")
@click.option("--redact-rules", type=click.Path(path_type=Path), help="TOML file with further redaction rules.")
@click.option("--spool-dir", type=click.Path(path_type=Path), help="Folder for what S3 cannot take now; kept there.")
def upload(files: tuple[Path, ...], url: str, *, redact: bool, redact_rules: Path | None, **chosen: Any) -> int:
    """Upload captures with a published pipeline. Prints one s3:// URL per file on stdout.

    Ctrl-C lets uploads on the wire end for a second, says what was uploaded, and exits with 130. With --spool-dir, what
    S3 did not take is kept there; the next upload to the same bucket with the same folder sends it, too.
    """
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise InputError(f"{missing}: no such file; nothing was uploaded")
    if redact_rules is not None and not redact:
        raise InputError("--redact-rules and --no-redact contradict each other; give one of them")
    redactor = redact if redact_rules is None else Redactor(load_rules(redact_rules))
    tickets: list[tuple[Path, Ticket]] = []
    failures: list[str] = []
    with Uploader(url, redact=redactor, options=UploaderOptions(deadline_s=OUTAGE_S), **chosen) as uploader:
        try:
            tickets.extend((file, uploader.submit(file)) for file in files)  # Ctrl-C leaves those that were begun
            with Progress(console=Console(stderr=True), transient=True) as progress:
                task = progress.add_task("uploading", total=len(files))
                for file, ticket in tickets:
                    failures += _told(file, ticket)
                    progress.advance(task)
        except KeyboardInterrupt:
            return _interrupted(uploader, tickets, len(files))
        removed = sum(uploader.stats().redacted.values())
    if redact and len(failures) < len(files):
        sys.stderr.write(f"{removed} values were redacted (--no-redact uploads captures as they are)\n")
    unusable = any(reason.startswith(("capture", "store: config")) for reason in failures)
    return (2 if unusable else 1) if failures else 0


def _told(file: Path, ticket: Ticket) -> list[str]:
    """Wait for one file and say what became of it; the reason, if it failed."""
    try:
        receipt = ticket.result()
    except UploadFailed as error:
        sys.stderr.write(f"packhorse: {file}: {error}\n")
        return [error.reason]
    took = format_s(sum(receipt.seconds.values()))
    sizes = f"{format_bytes(receipt.plain_bytes)} as {format_bytes(receipt.stored_bytes)}"
    sys.stderr.write(f"{file}: {sizes} in {took}\n")
    click.echo(ticket.url)
    return []


def _interrupted(uploader: Uploader, tickets: list[tuple[Path, Ticket]], count: int) -> int:
    """Close after Ctrl-C and say, file by file, what is not in S3; a second Ctrl-C ends at once."""
    logging.getLogger("packhorse").setLevel(logging.ERROR)  # what was dropped is told here, by name
    uploader.close(deadline_s=INTERRUPTED_GRACE_S)
    stats = uploader.stats()
    for file, ticket in tickets:
        if ticket.fate is not Fate.UPLOADED:
            sys.stderr.write(f"packhorse: {file}: {ticket.fate.value}: {ticket.reason}\n")
    parts = [f"{stats.uploaded} of {count} uploaded"]
    parts += [f"{getattr(stats, fate)} {fate}" for fate in ("spooled", "failed", "dropped") if getattr(stats, fate)]
    begun = len(tickets)
    parts += [f"{count - begun} not begun"] if begun < count else []
    sys.stderr.write(f"packhorse: interrupted: {', '.join(parts)}\n")
    return EXIT_INTERRUPTED


@click.command()
@click.argument("url", metavar="s3://bucket/key")
@click.option("--endpoint-url", help="S3 endpoint; default: the standard AWS chain.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: stdout.")
@click.option(
    "--max-bytes", default=str(DEFAULT_MAX_BYTES), help="The most the capture may expand to.  [default: 4GiB]"
)
def fetch(url: str, *, endpoint_url: str | None, output: Path | None, max_bytes: str) -> None:
    """Get a capture back as JSON text, whatever pipeline wrote it."""
    limit = parse_bytes(max_bytes)
    if output is not None:
        size = fetch_to_file(url, output, endpoint_url=endpoint_url, max_bytes=limit)
        sys.stderr.write(f"{output}: {format_bytes(size)}\n")
        return
    with tempfile.TemporaryDirectory(prefix="packhorse-") as folder:
        file = Path(folder) / "capture.json"
        fetch_to_file(url, file, endpoint_url=endpoint_url, max_bytes=limit)
        with file.open("rb") as source:
            shutil.copyfileobj(source, sys.stdout.buffer)
