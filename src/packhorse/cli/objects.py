"""``packhorse upload`` and ``packhorse fetch``."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from packhorse.cli.choosing import chosen_files
from packhorse.cli.interrupts import ends_on_signals
from packhorse.cli.sending import NOT_BEGUN, Manner, Sending, spool_errors, spool_trouble
from packhorse.cli.terminal import counted, shown, tell, writing_stdout
from packhorse.errors import ExpansionLimitError, InputError, StoreError, StoreErrorKind
from packhorse.fetching import DEFAULT_MAX_BYTES, fetch_to_file
from packhorse.redact import Redactor, load_rules
from packhorse.stores.network import plain_trouble, without_secrets
from packhorse.stores.url import check_key
from packhorse.units import format_bytes, parse_bytes
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate

#: Seconds that requests on the wire get after Ctrl-C, and after what is taken for it.
INTERRUPTED_GRACE_S = 1.0
#: Seconds that files wait for an S3 that is out: somebody sits at the terminal.
OUTAGE_S = 10.0


def _not_empty(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value == "":  # as an unset variable of a script: the capture would go to another S3 than was meant
        raise InputError("--endpoint-url is empty; give the address of an S3, or leave the option out")
    return value


@click.command()
@click.argument("files", nargs=-1, metavar="FILE...")
@click.argument("url", metavar="s3://bucket/prefix", default="")
@click.option("--endpoint-url", callback=_not_empty, help="S3 endpoint; default: the standard AWS chain.")
@click.option("--profile", help="Name of a packaged profile, or a path to a .toml file.")
@click.option("--redact/--no-redact", default=True, show_default=True, help="Remove secrets before uploading.")
@click.option("--redact-rules", type=click.Path(path_type=Path), help="TOML file with further redaction rules.")
@click.option("--spool-dir", type=click.Path(path_type=Path), help="Folder for what S3 cannot take now; kept there.")
@click.option("-r", "--recursive", is_flag=True, help="Take the files in folders, and in those within.")
@click.option("--key", help="Name of the object under the prefix, of one file.  [default: a fresh one]")
@click.option("--dry-run", is_flag=True, help="Say which files would go where. Nothing is read or sent.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line: file, url, bytes, fate, ...")
@click.option("-q", "--quiet", is_flag=True, help="No progress, and a word only of what fails.")
@click.option("-v", "--verbose", is_flag=True, help="Each address beside its file, and where the time went.")
def upload(files: tuple[str, ...], url: str, *, redact: bool, redact_rules: Path | None, **chosen: Any) -> int:
    """Upload captures with a published pipeline. Prints the s3:// URL of each file on stdout once it is stored.

    FILE is a file, - for a pipe, a quoted pattern ('logs/**/*.har'), or with -r a folder.

    Ctrl-C, SIGTERM or a terminal that closes let uploads on the wire end for a second, say what was uploaded, and exit
    with 128 + the signal (130, 143, 129). With --spool-dir, what S3 did not take is kept there; the next upload to the
    same bucket with the same folder sends it, too.

    Exit status: 0 all files are stored; 1 some are not; 2 a file, an option or stdout cannot be used. A reader of
    stdout that goes, as head, changes nothing: further addresses are told on stderr.
    """
    if not url.startswith("s3://"):
        last = f", not {shown(url)}" if url else ""
        raise InputError(f"the address comes last: packhorse upload my.har s3://bucket/prefix{last}")
    if not files:
        raise InputError(f"name a capture before the address: packhorse upload my.har {shown(url)}")
    if redact_rules is not None and not redact:
        raise InputError("--redact-rules and --no-redact contradict each other; give one of them")
    redactor = redact if redact_rules is None else Redactor(load_rules(redact_rules))
    recursive, key, dry_run, told = (chosen.pop(name) for name in ("recursive", "key", "dry_run", "as_json"))
    quiet, verbose = chosen.pop("quiet"), chosen.pop("verbose")
    if quiet and verbose:
        raise InputError("-q and -v contradict each other; give one of them")
    with tempfile.TemporaryDirectory(prefix="packhorse-") as folder:
        found = chosen_files(files, recursive=recursive, folder=Path(folder))
        if key is not None and len(found) != 1:
            raise InputError(f"--key names one object, and there are {len(found)} files; nothing was uploaded")
        manner = Manner(_full_key(url, key), told, quiet, verbose, found)
        if dry_run:
            _would_send(found, url, manner)
            return 0
        if chosen["spool_dir"] is None:
            _check_endpoint(chosen["endpoint_url"])
        return _upload([*found], url, manner, redactor, chosen)


def _full_key(url: str, key: str | None) -> str | None:
    """The object's whole key: ``key`` under the prefix of ``url``. Raises InputError when S3 cannot carry it."""
    prefix = url.removeprefix("s3://").partition("/")[2].strip("/")
    return None if key is None else check_key(f"{prefix}/{key}" if prefix else key)


def _would_send(found: Mapping[Path, str], url: str, manner: Manner) -> None:
    bucket = url.removeprefix("s3://").partition("/")[0]
    where = f"s3://{bucket}/{manner.key}" if manner.key else f"{url.rstrip('/')}/…"
    with writing_stdout():
        for file, name in found.items():
            size = file.stat().st_size
            if manner.as_json:
                address = where if manner.key else None
                click.echo(json.dumps({"file": name, "url": address, "bytes": size, "fate": "dry-run"}))
            else:
                click.echo(f"{shown(name)}: {format_bytes(size)} would go to {shown(where)}")


def _upload(files: list[Path], url: str, manner: Manner, redactor: Any, chosen: dict[str, Any]) -> int:
    with ends_on_signals(signal.SIG_IGN) as ending:  # the telling is short, and some who end a program signal twice
        try:
            with Uploader(url, redact=redactor, options=UploaderOptions(deadline_s=OUTAGE_S), **chosen) as uploader:
                redacted = bool(redactor) and not manner.quiet
                sent = _sent(uploader, Sending(uploader, files, manner), chosen["spool_dir"], redacted=redacted)
        except KeyboardInterrupt:
            tell("packhorse: interrupted")
            return ending.status
        return ending.status if sent is None else sent


def _check_endpoint(endpoint_url: str | None) -> None:
    """Say at once what no waiting cures. With a spool captures are kept, and this is no reason to end.

    Raises:
        StoreError: The name does not resolve, nothing listens there, or TLS meets a plain port.
    """
    url = endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    trouble = plain_trouble(url) if url.startswith(("http://", "https://")) else ""
    if trouble:
        raise StoreError(f"{without_secrets(url)}: {trouble}; nothing was uploaded", kind=StoreErrorKind.CONNECTION)


def _sent(uploader: Uploader, sending: Sending, spool_dir: Path | None, *, redacted: bool) -> int | None:
    """Send all, close the uploader, and tell of every file; returns the exit status, or None when it was interrupted.

    A second Ctrl-C passes through, with the uploader closed.
    """
    warned = _spool_warned(spool_dir)
    try:
        sending.run()
        uploader.close()
    except KeyboardInterrupt:
        try:
            _end_early(uploader, sending)
        except KeyboardInterrupt:
            uploader.close(deadline_s=0.0)
            raise
        return None
    stats = uploader.stats()  # after its end: until then it sends what was spooled
    if redacted and sending.fates[Fate.UPLOADED.value]:
        removed = counted(sum(stats.redacted.values()), "redacted value")
        tell(f"{removed} (--no-redact uploads captures as they are)")
    if stats.spool is not None and stats.spool.uploaded:
        tell(f"and {counted(stats.spool.uploaded, 'spooled capture')}")
    if not warned and (errors := spool_errors(stats)):
        _warn_of_spool(spool_dir, errors)
    unusable = any(reason.startswith(("capture", "store: config")) for reason in sending.reasons)
    if unusable or sending.unwritable:
        return 2
    return 1 if sending.reasons else 0


def _spool_warned(folder: Path | None) -> bool:
    """True when nothing can be kept in the spool's folder, which has been said then."""
    trouble = "" if folder is None else spool_trouble(folder)
    if trouble:
        _warn_of_spool(folder, trouble)
    return bool(trouble)


def _warn_of_spool(folder: Path | None, cause: str) -> None:
    tell(f"packhorse: warning: --spool-dir {shown(folder)}: {cause}; what S3 does not take may be lost, not kept there")


def _end_early(uploader: Uploader, sending: Sending) -> None:
    """Close after Ctrl-C and tell of the remaining files; a second Ctrl-C passes through at once."""
    logging.getLogger("packhorse").setLevel(logging.ERROR)  # what was dropped is told here, by name
    uploader.close(deadline_s=INTERRUPTED_GRACE_S)
    sending.tell_rest()
    fates = sending.fates
    parts = [f"{fates[Fate.UPLOADED.value]} of {fates.total()} uploaded"]
    parts += [f"{fates[fate]} {fate}" for fate in ("spooled", "failed", "dropped", NOT_BEGUN) if fates[fate]]
    tell(f"packhorse: interrupted: {', '.join(parts)}")


@click.command()
@click.argument("url", metavar="s3://bucket/key")
@click.option("--endpoint-url", callback=_not_empty, help="S3 endpoint; default: the standard AWS chain.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: stdout.")
@click.option(
    "--max-bytes", default=str(DEFAULT_MAX_BYTES), help="The most the capture may expand to.  [default: 1GiB]"
)
def fetch(url: str, *, endpoint_url: str | None, output: Path | None, max_bytes: str) -> None:
    """Get a capture back as JSON text, whatever pipeline wrote it."""
    limit = parse_bytes(max_bytes)
    try:
        if output is not None:
            size = fetch_to_file(url, output, endpoint_url=endpoint_url, max_bytes=limit)
            sys.stderr.write(f"{shown(output)}: {format_bytes(size)}\n")
            return
        with tempfile.TemporaryDirectory(prefix="packhorse-") as folder:
            file = Path(folder) / "capture.json"
            fetch_to_file(url, file, endpoint_url=endpoint_url, max_bytes=limit)
            with file.open("rb") as source, writing_stdout():
                shutil.copyfileobj(source, sys.stdout.buffer)
    except ExpansionLimitError as error:
        raise ExpansionLimitError(
            f"{url}: the object expands past {format_bytes(limit)}; give a larger --max-bytes if it is known to be good"
        ) from error
