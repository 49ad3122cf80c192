"""``packhorse gate``."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from packhorse.cli.interrupts import ends_on_signals
from packhorse.cli.safe_stream import lasting_console, silence
from packhorse.errors import InputError, PackhorseError
from packhorse.missing import lacking

if TYPE_CHECKING:
    from packhorse.bench.gate.run import GateRequest

#: There is no verdict: wrong use, an environment that cannot measure, or a crash. Never to be taken for a regression.
EXIT_NO_VERDICT = 2
#: As every command that Ctrl-C ends (128 + SIGINT).
EXIT_INTERRUPTED = 130


@click.command()
@click.argument("captures", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--base", metavar="REV|PROFILE|RECORD", help="What the change is compared with.")
@click.option("--head", metavar="REV|PROFILE|RECORD", help="The change.  [default: the working tree]")
@click.option("--row", "rows", multiple=True, help="Only this row; may be repeated.")
@click.option("--blocks", type=int, help="Blocks of a measurement, in place of the configured ones.")
@click.option("--seed", type=int, help="Seed of orders and synthetic captures, in place of the configured one.")
@click.option(
    "--environment",
    type=click.Choice(["own", "here"]),
    default="own",
    show_default=True,
    help="own: install each checkout in a fresh virtual environment; here: run both in this one.",
)
@click.option(
    "-C", "project", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".", help="The project."
)
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="Folder for the record and reports."
)
@click.option("--self-test", is_flag=True, help="Measure the gate itself: planted slowdowns and A/A runs.")
@click.option("--quick", is_flag=True, help="With --self-test: fewer blocks.")
def gate(  # noqa: PLR0913, PLR0917 - one parameter an option
    captures: tuple[Path, ...],
    base: str | None,
    head: str | None,
    rows: tuple[str, ...],
    blocks: int | None,
    seed: int | None,
    environment: str,
    project: Path,
    output: Path | None,
    *,
    self_test: bool,
    quick: bool,
) -> int:
    """Compare a change with its base, measured interleaved here and now.

    Rows and margins are declared in pyproject.toml, [tool.packhorse.gate].

    \b
    Exit status:
      0    every compared row is within its margin, with confidence
      1    a row is slower than its margin, with confidence, or the change breaks it
      2    wrong use, the environment cannot measure, or the tool crashed: there is no verdict
      3    unresolved: the data cannot tell, or the base could not be measured
      130  interrupted (Ctrl-C, SIGTERM, SIGHUP); what was measured is kept, as unresolved
    With --self-test: 0 the goals are met, 1 they are missed.
    """  # noqa: D301 - click knows the paragraph by a real backspace
    with ends_on_signals(signal.SIG_IGN):  # nothing may be left running
        try:
            if self_test:
                return _self_test(quick=quick, seed=seed, output=output)
            if quick:
                raise InputError("gate: --quick belongs to --self-test; for fewer blocks use --blocks")
            if not base:
                raise InputError("gate: --base is missing: a revision (origin/main), a profile or a race's record")
            request = _request(base, head, project, rows, captures, own=environment == "own", blocks=blocks, seed=seed)
            return _compare(request, output)
        except click.ClickException:
            raise
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, 1 means "regressed" and nothing else
            _tell(error)
            return EXIT_NO_VERDICT


def _request(  # noqa: PLR0913 - one parameter an option
    base: str,
    head: str | None,
    project: Path,
    rows: Sequence[str],
    captures: tuple[Path, ...],
    *,
    own: bool,
    blocks: int | None,
    seed: int | None,
) -> GateRequest:
    from packhorse.bench.gate.config import checked, read_config
    from packhorse.bench.gate.run import GateRequest, with_rows
    from packhorse.bench.race.machine import command

    config = with_rows(read_config(project), rows)
    given = {name: value for name, value in {"blocks": blocks, "seed": seed}.items() if value is not None}
    options = {name: f"--{name}" for name in given}
    config = checked(replace(config, **given), options=options)  # type: ignore[arg-type]
    return GateRequest(base, head, project, config, own, captures, command(sys.argv), options)


def _compare(request: GateRequest, output: Path | None) -> int:
    from packhorse.bench.gate.record import validate, write_gate
    from packhorse.bench.gate.run import run_gate
    from packhorse.bench.report.gate.files import clear, render
    from packhorse.bench.report.gate.terminal import show

    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        clear(output)  # what an earlier gate left must not be taken for this one's, however this one ends
    with _Bar() as bar:
        record = validate(run_gate(request, bar), source="gate.json")
    if output is not None:
        write_gate(record, output / "gate.json")
        render(record, output)
    _display(lambda: show(record, lasting_console()))
    if output is not None:
        _display(lambda: click.echo(f"\nrecord and reports: {output}/"))
    return EXIT_INTERRUPTED if record.get("interrupted") else int(record["exit_code"])


def _self_test(*, quick: bool, seed: int | None, output: Path | None) -> int:
    from packhorse.bench.gate.selftest import run_self_test, write_self_test
    from packhorse.bench.report.gate.selftest import markdown

    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    with _Bar() as bar:
        record = run_self_test(quick=quick, seed=1 if seed is None else seed, observer=bar)
    if output is not None:
        write_self_test(record, output)
    _display(lambda: click.echo(markdown(record)))
    if output is not None:
        _display(lambda: click.echo(f"record and report: {output}/"))
    return 0 if record["verdict"]["goals_met"] else 1


def _display(show: Callable[[], object]) -> None:
    """Show what is decided and written: a reader that went away, or a locale without a character, changes nothing."""
    try:
        show()
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no verdict
        with suppress(OSError, ValueError):
            silence(sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            with suppress(OSError, ValueError):
                sys.stderr.write(f"packhorse: gate: the result cannot be shown here: {error}\n")


def _tell(error: Exception) -> None:
    """One line for what packhorse foresees, a trace for what it does not; CI logs are public, so both are scrubbed."""
    from packhorse.bench.race.machine import scrub

    if isinstance(error, PackhorseError):
        said = f"packhorse: {scrub(str(error))}\n"
    elif isinstance(error, OSError) and error.filename:
        said = f"packhorse: {scrub(str(error.filename))}: {error.strerror}\n"
    elif isinstance(error, ModuleNotFoundError) and (line := lacking(error, "gate")):
        said = f"packhorse: {line}\n"
    else:
        said = scrub("".join(traceback.format_exception(error)))
        said += "packhorse: gate: this is a defect of packhorse and no verdict; please report it\n"
    with suppress(OSError, ValueError):  # nobody reads it any more
        sys.stderr.write(said)


class _Bar:
    """A progress bar on stderr."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._console = lasting_console(stderr=True)
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task("gate", total=None)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """A step begins."""
        self._console.print(text, style="dim", markup=False)

    def begin(self, blocks: int, measurement: int, rows: Sequence[str]) -> None:
        """A measurement begins."""
        which = "measuring" if measurement == 1 else f"measuring again: {', '.join(rows)}"
        self._console.print(which, style="dim", markup=False)
        self._progress.reset(self._task, total=blocks, description=which[:40])

    def block(self) -> None:
        """A block is done."""
        self._progress.advance(self._task)
