"""``packhorse gate``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from packhorse.errors import InputError


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

    Exit 0 passed, 1 regressed, 2 bad input, 3 unresolved.

    Rows and margins are declared in pyproject.toml, [tool.packhorse.gate].
    """
    if self_test:
        return _self_test(quick=quick, seed=seed, output=output)
    if not base:
        raise InputError("gate: --base is missing: a revision (origin/main), a profile or a race's record")
    from packhorse.race.gate.config import checked, read_config
    from packhorse.race.gate.record import write_gate
    from packhorse.race.gate.run import GateRequest, run_gate, with_rows
    from packhorse.race.machine import command
    from packhorse.report.gate.files import render
    from packhorse.report.gate.terminal import show

    config = with_rows(read_config(project), rows)
    config = checked(
        replace(
            config,
            blocks=config.blocks if blocks is None else blocks,
            seed=config.seed if seed is None else seed,
        )
    )
    request = GateRequest(base, head, project, config, environment == "own", captures, command(sys.argv))
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    with _Bar() as bar:
        record = run_gate(request, bar)
    show(record, Console())
    if output is not None:
        write_gate(record, output / "gate.json")
        render(record, output)
        click.echo(f"\nrecord and reports: {output}/")
    return int(record["exit_code"])


def _self_test(*, quick: bool, seed: int | None, output: Path | None) -> int:
    from packhorse.race.gate.selftest import run_self_test, write_self_test
    from packhorse.report.gate.selftest import markdown

    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    with _Bar() as bar:
        record = run_self_test(quick=quick, seed=1 if seed is None else seed, observer=bar)
    click.echo(markdown(record))
    if output is not None:
        write_self_test(record, output)
        click.echo(f"record and report: {output}/")
    return 0 if record["verdict"]["goals_met"] else 1


class _Bar:
    """A progress bar on stderr."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._console = Console(stderr=True)
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task("gate", total=None)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """A step begins."""
        self._console.print(text, style="dim")

    def begin(self, blocks: int, measurement: int, rows: Sequence[str]) -> None:
        """A measurement begins."""
        which = "measuring" if measurement == 1 else f"measuring again: {', '.join(rows)}"
        self._console.print(which, style="dim")
        self._progress.reset(self._task, total=blocks, description=which[:40])

    def block(self) -> None:
        """A block is done."""
        self._progress.advance(self._task)
