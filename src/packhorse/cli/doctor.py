"""``packhorse doctor``."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from packhorse.bench.doctor.finding import Finding, Level
from packhorse.cli.safe_stream import plain_console
from packhorse.profiles.loading import load_profile

_STYLES = {Level.OK: "green", Level.WARNING: "bold yellow", Level.UNKNOWN: "dim"}


@click.command()
@click.option("--profile", help="Packaged profile or TOML file whose S3 settings are checked.  [default: default]")
@click.option("--endpoint-url", help="S3 endpoint; asked for the time by one unsigned HEAD request.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def doctor(profile: str | None, endpoint_url: str | None, *, as_json: bool) -> int:
    """Say what makes timings unsteady here, and which S3 settings cost speed. Exit 1 when there is a warning."""
    from packhorse.bench.doctor.examine import examine

    findings = examine(load_profile(profile), endpoint_url)
    if as_json:
        click.echo(json.dumps([found.as_dict() for found in findings], indent=2))
    else:
        _show(findings)
    return 1 if any(found.level is Level.WARNING for found in findings) else 0


def _show(findings: Sequence[Finding]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("check", no_wrap=True)
    grid.add_column("", no_wrap=True)
    grid.add_column("seen", ratio=2)
    grid.add_column("why it matters, and what to do", ratio=3)
    for found in findings:
        told = Text(found.why, style="dim" if found.level is Level.OK else "")
        if found.advice:
            told.append(f"\n→ {found.advice}", style="bold" if found.level is Level.WARNING else "")
        grid.add_row(Text(found.check), Text(found.level, style=_STYLES[found.level]), Text(found.seen), told)
    console = plain_console()
    console.print(grid)
    count = sum(found.level is Level.WARNING for found in findings)
    console.print(Text(f"{count} warning(s)." if count else "Nothing stands in the way of steady timings."))
