"""``packhorse synth``."""

from __future__ import annotations

from pathlib import Path

import click

from packhorse.captures.synth import KINDS, synthesize
from packhorse.captures.write import write_har
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
