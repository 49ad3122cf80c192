"""``packhorse upload`` and ``packhorse fetch``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from packhorse.captures.redact import Redactor, load_rules
from packhorse.errors import InputError, UploadFailed
from packhorse.fetching import DEFAULT_MAX_BYTES, fetch_to_file
from packhorse.units import format_bytes, format_s, parse_bytes
from packhorse.uploader.sync import Uploader


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.argument("url", metavar="s3://bucket/prefix")
@click.option("--endpoint-url", help="S3 endpoint; default: the standard AWS chain.")
@click.option("--profile", help="Name of a packaged profile, or a path to a .toml file.")
@click.option("--redact/--no-redact", default=True, show_default=True, help="Remove secrets before uploading.")
@click.option("--redact-rules", type=click.Path(path_type=Path), help="TOML file with further redaction rules.")
def upload(files: tuple[Path, ...], url: str, *, redact: bool, redact_rules: Path | None, **chosen: str | None) -> int:
    """Upload captures with a published pipeline. Prints one s3:// URL per file on stdout."""
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise InputError(f"{missing}: no such file; nothing was uploaded")
    failures: list[str] = []
    if redact_rules is not None and not redact:
        raise InputError("--redact-rules and --no-redact contradict each other; give one of them")
    redactor = redact if redact_rules is None else Redactor(load_rules(redact_rules))
    with Uploader(url, redact=redactor, profile=chosen["profile"], endpoint_url=chosen["endpoint_url"]) as uploader:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("uploading", total=len(files))
            tickets = [(file, uploader.submit(file)) for file in files]
            for file, ticket in tickets:
                try:
                    receipt = ticket.result()
                except UploadFailed as error:
                    failures.append(error.reason)
                    sys.stderr.write(f"packhorse: {file}: {error}\n")
                else:
                    took = format_s(sum(receipt.seconds.values()))
                    sizes = f"{format_bytes(receipt.plain_bytes)} as {format_bytes(receipt.stored_bytes)}"
                    sys.stderr.write(f"{file}: {sizes} in {took}\n")
                    click.echo(ticket.url)
                progress.advance(task)
        removed = sum(uploader.stats().redacted.values())
    if redact and len(failures) < len(files):
        sys.stderr.write(f"{removed} values were redacted (--no-redact uploads captures as they are)\n")
    unusable = any(reason.startswith(("capture", "store: config")) for reason in failures)
    return (2 if unusable else 1) if failures else 0


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
