"""Files on their way up: each has one outcome, told once it is known, in the order of the files."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from packhorse.cli.interrupts import interrupt_held_back
from packhorse.cli.safe_stream import lasting_console, silence
from packhorse.cli.terminal import shown, tell, writing_stdout
from packhorse.errors import QueueFull, UploaderClosed, UploadFailed
from packhorse.units import format_bytes, format_s
from packhorse.uploader.account import Stats
from packhorse.uploader.reasons import Reason
from packhorse.uploader.spool.files import make_folder
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Fate, Receipt, Ticket

NOT_BEGUN = "not begun"


@dataclass(frozen=True, slots=True)
class Manner:
    """How files are sent and told of.

    Attributes:
        key: Full object key of the only file; None makes fresh ones.
        as_json: One JSON object a line on stdout in place of addresses, for every file whatever became of it.
        quiet: No progress, and not a word of files that are uploaded.
        verbose: Addresses beside the names, and the seconds of each phase.
        names: What files are called, where that is not their path.
    """

    key: str | None = None
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
    names: Mapping[Path, str] = field(default_factory=dict)


class Sending:
    """Hands files to an uploader in a thread of its own and tells their outcomes in the caller's.

    So Ctrl-C, which is the caller's, never loses the ticket of a capture that waits for room. Nor does a reader that
    goes: addresses are told on stderr from then on, and where nobody reads that either, all files are still uploaded.

    Attributes:
        fates: Files told so far by what became of them: the values of ``Fate``, and ``NOT_BEGUN``.
        reasons: Of files that were not uploaded, though begun.
        unwritable: Why addresses could not be written to stdout, as a full disk; empty when its reader just went away.
    """

    def __init__(self, uploader: Uploader, files: Sequence[Path], manner: Manner | None = None) -> None:
        """Nothing is sent before :meth:`run`."""
        self._manner = manner or Manner()
        self.fates: Counter[str] = Counter()
        self.reasons: list[str] = []
        self.unwritable = ""
        self._printing = sys.stdout is not None
        self._terminal = self._printing and sys.stdout.isatty()
        self._uploader = uploader
        self._files = files
        self._begun: list[Future[Ticket]] = []

    def run(self) -> None:
        """Send all files and tell of each. Broken off, as by Ctrl-C, it begins no more files: see :meth:`tell_rest`."""
        feeder = ThreadPoolExecutor(1, "packhorse-files")
        console = lasting_console(stderr=True)
        # stdout is ours: rich would put a proxy in its place. The bar goes for the moment in which a line is written.
        columns = (
            TextColumn("uploading"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TimeRemainingColumn(),
        )
        bar = Progress(
            *columns,
            console=console,
            transient=True,
            redirect_stdout=False,
            disable=self._manner.quiet or not console.is_terminal,
        )
        try:
            for file in self._files:
                self._begun.append(feeder.submit(self._uploader.submit, file, key=self._manner.key))
            with bar:
                sizes = [max(1, file.stat().st_size) if file.exists() else 1 for file in self._files]
                task = bar.add_task("uploading", total=sum(sizes))
                for file, begun, size in zip(self._files, self._begun, sizes, strict=True):
                    self._tell(file, begun, bar)
                    bar.advance(task, size)
        finally:
            feeder.shutdown(wait=False, cancel_futures=True)

    def tell_rest(self) -> None:
        """After :meth:`run` was broken off and the uploader closed: tell of the files not told of yet."""
        told = self.fates.total()
        for file, begun in zip(self._files[told:], self._begun[told:], strict=False):
            self._tell(file, begun)
        for file in self._files[self.fates.total() :]:
            self._row(file, NOT_BEGUN)
        self.fates[NOT_BEGUN] += len(self._files) - self.fates.total()

    def _tell(self, file: Path, begun: Future[Ticket], bar: Progress | None = None) -> None:
        """Wait for one file, say what became of it, and count it: in this order, so that nothing goes untold."""
        url, receipt = "", None
        try:
            ticket = begun.result()
            url = ticket.url
            receipt = ticket.result()
        except CancelledError:
            self._row(file, NOT_BEGUN)
            self.fates[NOT_BEGUN] += 1
            return
        except UploadFailed as error:
            fate, reason = error.fate, error.reason
        except (QueueFull, UploaderClosed) as error:
            fate, reason = Fate.DROPPED.value, str(error)
        if bar is not None:
            bar.stop()
        with interrupt_held_back():  # else a file that has been told of might be told of again
            if receipt is not None:
                self._uploaded(file, receipt)
                fate = Fate.UPLOADED.value
            else:
                # Its address is worth knowing only if something stands, or will stand, there.
                where = (
                    f": {url}" if fate == Fate.SPOOLED.value or reason.startswith(Reason.UNKNOWN_OUTCOME.words) else ""
                )
                tell(f"packhorse: {self._name(file)}: {fate}: {shown(reason)}{where}")
                self._row(file, fate, url=url if where else "", reason=reason)
                self.reasons.append(reason)
            self.fates[fate] += 1
        if bar is not None:
            bar.start()

    def _uploaded(self, file: Path, receipt: Receipt) -> None:
        fate = Fate.UPLOADED.value
        if self._manner.as_json:
            printed = self._row(file, fate, receipt.url, receipt=receipt)
        else:
            printed = self._printed(receipt.url)
        if printed and (self._manner.quiet or self._manner.as_json):
            return
        where = "" if printed and not self._manner.verbose else f": {receipt.url}"
        if self._manner.verbose:
            where += f" ({', '.join(f'{phase} {format_s(took_s)}' for phase, took_s in receipt.seconds.items())})"
        sizes = f"{format_bytes(receipt.plain_bytes)} as {format_bytes(receipt.stored_bytes)}"
        tell(f"{self._name(file)}: {sizes} in {format_s(sum(receipt.seconds.values()))}{where}")

    def _name(self, file: Path) -> str:
        return shown(self._manner.names.get(file, file))

    def _row(self, file: Path, fate: str, url: str = "", reason: str = "", receipt: Receipt | None = None) -> bool:
        """With ``as_json``, print what became of a file; True when that was printed."""
        if not self._manner.as_json:
            return False
        name = self._manner.names.get(file, str(file))
        row: dict[str, str | int | None] = {"file": name, "url": url or None, "fate": fate, "reason": reason or None}
        row["bytes"] = receipt.plain_bytes if receipt else None
        row["stored_bytes"] = receipt.stored_bytes if receipt else None
        return self._printed(json.dumps(row))

    def _printed(self, url: str) -> bool:
        """Print an address, unless stdout has failed before: captures go up whether or not somebody reads that."""
        if not self._printing:
            return False
        try:
            with writing_stdout():
                click.echo(url)
        except OSError as error:
            self._printing = False
            silence(sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError) and not self._terminal:
                self.unwritable = error.strerror or str(error)
                tell(f"packhorse: stdout: {self.unwritable}; from here on addresses are told beside the files")
        return self._printing


def spool_trouble(folder: Path) -> str:
    """Why nothing can be kept in ``folder``, which is made if need be; empty when something can.

    The uploader itself makes it only once S3 is out, which is too late to tell somebody who could give another one.
    """
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def spool_errors(stats: Stats) -> str:
    """What went wrong with the spool's disk, in words; empty when nothing did."""
    told = []
    for name, _ in stats.spool.errors if stats.spool is not None else ():
        what, _, code = name.rpartition(": ")
        number = getattr(errno, code, None)
        told.append(f"{what}: {code if number is None else os.strerror(number)}")
    return ", ".join(told)
