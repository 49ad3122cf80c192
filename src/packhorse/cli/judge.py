"""``packhorse judge``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from packhorse.bench.race.cost import DEFAULT_RETENTION_DAYS, load_prices
from packhorse.bench.race.goals import Require
from packhorse.bench.race.objective import Objective
from packhorse.cli.race import require_option, status
from packhorse.cli.safe_stream import plain_console
from packhorse.errors import InputError


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--objective", type=click.Choice([o.value for o in Objective]), help="What decides this time; default: as raced."
)
@require_option
@click.option(
    "--retention-days",
    type=float,
    help=f"How long objects are kept; cost only.  [default: {DEFAULT_RETENTION_DAYS:g}]",
)
@click.option(
    "--prices", type=click.Path(dir_okay=False, path_type=Path), help="Price file in place of AWS us-east-1; cost only."
)
@click.option("--json", "as_json", is_flag=True, help="Print the judged record as JSON instead of a table.")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="Folder for the judged record and report."
)
def judge(
    directory: Path, objective: str | None, require: str | None, output: Path | None, *, as_json: bool, **dollars: Any
) -> int:
    """Judge a race's record by another objective, without measuring again. The record itself is never changed.

    Exit status as of packhorse race: 0 an answer, 3 none, 1 nothing could win.
    """
    from packhorse.bench.race.judge import judge_folder, write_judged
    from packhorse.bench.race.record import plain
    from packhorse.bench.report.terminal import show

    retention_days, prices = dollars["retention_days"], dollars["prices"]
    chosen = Objective(objective) if objective else None
    if chosen is not Objective.COST and (retention_days is not None or prices is not None):
        raise InputError("--retention-days and --prices only make sense with --objective cost")
    tariff = load_prices(prices).kept(DEFAULT_RETENTION_DAYS if retention_days is None else retention_days)
    record = judge_folder(directory, chosen, tariff, Require(require) if require else None)
    if output is not None:
        write_judged(record, output, source=directory)
    if as_json:
        click.echo(json.dumps(plain(record)))
    else:
        show(plain(record), plain_console())
    if output is not None and not as_json:
        click.echo(f"\njudged record and report: {output}/")
    return status(record)
