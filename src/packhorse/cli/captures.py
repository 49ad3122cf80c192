"""``packhorse synth`` and ``packhorse captures compare``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from packhorse.captures.realism import Comparison, run_compare
from packhorse.captures.synth import KINDS, synthesize
from packhorse.captures.write import write_har
from packhorse.errors import InputError
from packhorse.files import appearing
from packhorse.race.thread_time import thread_seconds
from packhorse.units import format_bytes


@click.command()
@click.option("--entries", type=click.IntRange(1), default=120, show_default=True, help="Number of requests.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option("--kind", type=click.Choice(KINDS), default="browser", show_default=True, help="Population to imitate.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
def synth(entries: int, seed: int, kind: str, output: Path) -> None:
    """Write a synthetic capture that looks like recorded ones."""
    size = write_har(synthesize(entries, seed, kind), output)
    click.echo(f"{output}: {entries} entries, {format_bytes(size)} (kind {kind}, seed {seed})")


@click.group()
def captures() -> None:
    """Look at captures."""


@captures.command(context_settings={"ignore_unknown_options": True})
@click.argument("files", nargs=-1, required=True, metavar="SYNTH... --with REAL...", type=click.UNPROCESSED)
@click.option("--rank/--no-rank", default=True, show_default=True, help="Also compare the order of pipelines on both.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Markdown file to write.")
def compare(files: tuple[str, ...], *, rank: bool, output: Path | None) -> int:
    """Compare synthetic captures with recorded ones of the same population: would they rank pipelines alike?

    Exit status 1 when a median lies outside the recorded 25-75 % band, a ratio is off by more than 15 %, or Kendall's
    tau is below 0.9.
    """
    # --with takes all that follows, so that a shell's wildcard works; click's options take a fixed number of values.
    divider = files.index("--with") if "--with" in files else len(files)
    synthetic = [Path(file) for file in files[:divider]]
    real = [Path(file) for file in files[divider + 1 :]]
    if not synthetic or not real:
        raise InputError(
            "give synthetic captures, then --with and recorded ones: compare a.har b.har --with real/*.har"
        )
    missing = next((file for file in (*synthetic, *real) if not file.is_file()), None)
    if missing is not None:
        raise InputError(f"{missing}: no such file")
    result = run_compare(synthetic, real, timer=thread_seconds if rank else None)
    _show(result)
    if output is not None:
        with appearing(output) as file:
            file.write(result.to_markdown().encode())
    return 0 if result.passed else 1


def _show(result: Comparison) -> None:
    table = Table(title="Synthetic against recorded: p25 / p50 / p75", title_justify="left")
    for title in ("metric", "synthetic", "recorded", "median off", "in band"):
        table.add_column(title)
    for row in result.rows:
        cells = (" / ".join(f"{value:.3g}" for value in side) for side in (row.synthetic, row.real))
        table.add_row(row.metric, *cells, f"{row.off:+.0%}", "yes" if row.in_band else "NO")
    console = Console()
    console.print(table)
    if result.agreement is not None:
        for line in result.agreement.lines():
            console.print(line, markup=False)
