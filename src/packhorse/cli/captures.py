"""``packhorse synth`` and ``packhorse captures compare``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from packhorse.bench.race.thread_time import thread_seconds
from packhorse.bench.realism.compare import Comparison, metrics_of, run_compare
from packhorse.bench.realism.published import compare_published, sample
from packhorse.bench.report.plots import realism as plot
from packhorse.bench.report.plots.svg import require
from packhorse.bench.synth import KINDS, synthesize
from packhorse.captures.read import load
from packhorse.captures.write import write_har
from packhorse.cli.safe_stream import plain_console
from packhorse.errors import InputError
from packhorse.files import appearing
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
@click.argument("files", nargs=-1, metavar="[SYNTH...] [--with REAL...]", type=click.UNPROCESSED)
@click.option("--against-published", is_flag=True, help="Compare with published percentiles in place of recordings.")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Population to hold against them.")
@click.option("--rank/--no-rank", default=True, show_default=True, help="Also compare the order of pipelines on both.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of comparisons instead of tables.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="FILE.md; also FILE.svg, .json.")
def compare(
    files: tuple[str, ...],
    *,
    against_published: bool,
    kinds: tuple[str, ...],
    rank: bool,
    as_json: bool,
    output: Path | None,
) -> int:
    """Compare synthetic captures with recorded ones of the same population: would they rank pipelines alike?

    SYNTH... --with REAL... compares files. --against-published needs no recordings: it holds SYNTH files of one --kind
    against percentiles of a survey of 167 recordings, or without files a seeded sample of each population. The order
    of pipelines needs recordings and is left out there.

    Exit status 1 when a median lies outside the recorded 25-75 % band, a ratio is off by more than 15 %, or Kendall's
    tau is below 0.9.
    """
    if output is not None:
        if output.suffix != ".md":
            raise InputError(f"{output}: give a name that ends in .md; .svg and .json files are written beside it")
        require()
    # --with takes all that follows, so that a shell's wildcard works; click's options take a fixed number of values.
    divider = files.index("--with") if "--with" in files else len(files)
    if not against_published and (divider == 0 or divider >= len(files) - 1):
        raise InputError(
            "give synthetic captures, then --with and recorded ones: compare a.har b.har --with real/*.har; "
            "without recordings: compare --against-published"
        )
    synthetic, real = _paths(files[:divider]), _paths(files[divider + 1 :])
    if against_published:
        if real:
            raise InputError("--with and --against-published are two different comparisons: give one of them")
        results = _against_published(synthetic, kinds)
    else:
        if kinds:
            raise InputError("--kind goes with --against-published; recordings need no name for their population")
        results = [run_compare(synthetic, real, timer=thread_seconds if rank else None)]
    if as_json:
        click.echo(json.dumps([result.to_plain() for result in results], ensure_ascii=False, indent=1))
    for result in [] if as_json else results:
        _show(result)
    if output is not None:
        _write(output, results, synthetic, real)
    return 0 if all(result.passed for result in results) else 1


def _paths(names: Sequence[str]) -> list[Path]:
    unknown = next((name for name in names if name.startswith("-")), None)
    if unknown is not None:
        raise InputError(f"{unknown}: no such option (a file of this name: ./{unknown})")
    paths = [Path(name) for name in names]
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise InputError(f"{missing}: no such file")
    return paths


def _against_published(synthetic: list[Path], kinds: tuple[str, ...]) -> list[Comparison]:
    if not synthetic:
        return [compare_published(kind, [metrics_of(one) for one in sample(kind)]) for kind in kinds or KINDS]
    if len(kinds) != 1:
        raise InputError(
            "say which population the files imitate, with one --kind: averages over populations mean nothing"
        )
    return [compare_published(kinds[0], [metrics_of(load(path)) for path in synthetic])]


def _show(result: Comparison) -> None:
    table = Table(title=result.summary.replace("`", ""), title_justify="left")
    for title in ("metric", "synthetic", "recorded", "median off", "in band"):
        table.add_column(title)
    for row in result.rows:
        *cells, in_band = row.cells()
        table.add_row(*cells, in_band if row.in_band else in_band.upper())
    console = plain_console()
    console.print(table)
    if result.agreement is not None:
        for line in result.agreement.lines():
            console.print(line)
    console.print(f"Verdict: {result.verdict}")


def _write(output: Path, results: list[Comparison], synthetic: list[Path], real: list[Path]) -> None:
    """The Markdown with its picture and its data beside it; the picture first, since the Markdown shows it."""
    title = "Synthetic captures against recorded ones"
    plain = [result.to_plain() for result in results]
    picture = output.with_suffix(".svg")
    lines = [f"# {title}", ""]
    for side, paths in (("Synthetic", synthetic), ("Recorded", real)):
        if paths:
            lines += [f"{side}: {', '.join(f'`{path.name}`' for path in paths)}.", ""]
    lines += [f"![Percentiles side by side]({picture.name})", ""]
    text = "\n".join([*lines, *[result.to_markdown() for result in results]])
    for path, content in (
        (picture, plot.render(plain, title)),
        (output.with_suffix(".json"), json.dumps(plain, ensure_ascii=False, indent=1) + "\n"),
        (output, text),
    ):
        with appearing(path) as file:
            file.write(content.encode())
