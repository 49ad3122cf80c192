"""``packhorse race``, ``report`` and ``publish``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from packhorse.errors import InputError, RecordError
from packhorse.race.options import Objective, RaceOptions

DEFAULT_OUT = Path("packhorse-race")


@click.command()
@click.argument("captures", nargs=-1, metavar="[CAPTURE]...", type=click.Path(path_type=Path))
@click.option("--target", default="moto", show_default=True, help="moto, rclone, or an S3 endpoint's URL.")
@click.option("--bucket", default="packhorse-race", show_default=True, help="Bucket at the target.")
@click.option(
    "--objective",
    type=click.Choice([o.value for o in Objective]),
    default="throughput",
    show_default=True,
    help="What decides.",
)
@click.option("--quick", is_flag=True, help="About a minute instead of about five.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of orders, captures and resampling.")
@click.option("--pipeline", "pipelines", multiple=True, help="Race exactly these (repeat); presets: original, common.")
@click.option("--in-flight", multiple=True, type=int, help="Captures in flight (repeat).")
@click.option("--flamegraph", metavar="PIPELINE", help="Race nothing: draw where this pipeline spends its time.")
@click.option("--flamegraph-memory", metavar="PIPELINE", help="Race nothing: draw where this pipeline's memory goes.")
@click.option("--whole", is_flag=True, help="Let pipelines win that hold a whole encoded capture in memory.")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), default=DEFAULT_OUT, show_default=True
)
def race(captures: tuple[Path, ...], output: Path, objective: str, **chosen: Any) -> int:
    """Race pipelines on CAPTUREs (default: synthetic ones) and say which is fastest, and how sure that is."""
    from packhorse.race.progress import RichProgress
    from packhorse.race.run import run_race
    from packhorse.report.terminal import show

    missing = next((file for file in captures if not file.is_file()), None)
    if missing is not None:
        raise InputError(f"{missing}: {'a folder' if missing.is_dir() else 'no such file'}; name capture files")
    output.mkdir(parents=True, exist_ok=True)  # found out before minutes are spent
    pipelines, in_flight = chosen.pop("pipelines"), chosen.pop("in_flight")
    pictures = [(chosen.pop("flamegraph"), False), (chosen.pop("flamegraph_memory"), True)]
    options = RaceOptions(
        captures=captures,
        objective=Objective(objective),
        out_dir=output,
        pipelines=pipelines or None,
        in_flight=in_flight or None,
        **chosen,
    )
    if any(text for text, _ in pictures):
        return _draw(options, [(text, memory) for text, memory in pictures if text])
    record = run_race(options, RichProgress(Console(stderr=True)))
    show(record, Console())
    click.echo(f"\nrecord and report: {output}/\npublish the winner: packhorse publish {output}")
    return 0 if (record.get("winner") or {}).get("pipeline") else 1


def _draw(options: RaceOptions, pictures: list[tuple[str, bool]]) -> int:
    from packhorse.study.flamegraph_race import draw

    for text, memory in pictures:
        path, captures_per_s = draw(options, text, memory=memory)
        click.echo(f"{path}: drawn at {captures_per_s:.3g} captures/s, slower than without a profiler")
    return 0


def _record_file(directory: Path) -> Path:
    file = directory / "record.json"
    if not file.is_file():
        raise RecordError(f"{file}: no such file; give the folder of a race")
    return file


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def report(directory: Path) -> None:
    """Render the reports of a race again from its record."""
    from packhorse.report import write

    _record_file(directory)
    for path in write(directory):
        click.echo(path)


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--to", "path", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: DIR/profile.toml."
)
@click.option("--name", help="The profile's name; default: the file's.")
def publish(directory: Path, path: Path | None, name: str | None) -> None:
    """Publish a race's winner as a profile (TOML with its provenance)."""
    from packhorse.profiles.publish import publish as publish_text
    from packhorse.profiles.publish import write_profile
    from packhorse.race.record import read_record

    file = path or directory / "profile.toml"
    record_file = _record_file(directory)
    record = read_record(record_file)
    try:
        toml = publish_text(record, name=name or file.stem, record_text=record_file.read_bytes())
    except RecordError as error:
        raise RecordError(f"{record_file}: {error}") from error
    profile = write_profile(toml, file)
    if record["winner"].get("conclusive") is False:
        click.echo(f"warning: the race was inconclusive ({record['winner'].get('why')}); the profile says so", err=True)
    click.echo(f"{file}: {profile.pipeline}, {profile.max_in_flight} in flight")
    click.echo(f'use it: Uploader("s3://bucket/prefix", profile="{file}")')
