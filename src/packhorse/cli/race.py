"""``packhorse race``, ``report`` and ``publish``."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from packhorse.bench.race.goals import GOALS, Require
from packhorse.bench.race.objective import STEERING, Objective
from packhorse.bench.race.options import RaceOptions
from packhorse.cli.interrupts import ends_on_signals
from packhorse.cli.safe_stream import lasting_console, plain_console
from packhorse.cli.terminal import shown
from packhorse.errors import InputError, PackhorseError, RecordError

if TYPE_CHECKING:
    from packhorse.bench.race.record_types import RaceRecord

DEFAULT_OUT = Path("packhorse-race")
EXIT_NEGATIVE = 1
#: The data could not decide, as of the gate.
EXIT_UNRESOLVED = 3
EXIT_INTERRUPTED = 130


@click.command()
@click.argument("captures", nargs=-1, metavar="[CAPTURE]...", type=click.Path(path_type=Path))
@click.option(
    "--target", default="rclone", show_default=True, help="rclone, moto, seaweedfs, aws, or an S3 endpoint's URL."
)
@click.option(
    "--link", metavar="NAME|FIGURES", help="Network before a local target: loopback, same-region (default) ..."
)
@click.option("--bucket", default="packhorse-race", show_default=True, help="Bucket at the target.")
@click.option(
    "--objective",
    type=click.Choice([o.value for o in STEERING]),
    default="throughput",
    show_default=True,
    help="What decides. (By memory: packhorse judge.)",
)
@click.option(
    "--also",
    multiple=True,
    type=click.Choice(GOALS),
    help="Take what this needs to the end too, so that the record can be judged and published for it (repeat).",
)
@click.option("--quick", is_flag=True, help="An answer within a minute, instead of about five.")
@click.option(
    "--redact/--no-redact", default=True, help="Redact in the finals, as the uploader does.  [default: redact]"
)
@click.option("--time", "time_budget_s", type=float, metavar="SECONDS", help="Plan for this long instead.")
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
    """Race pipelines on CAPTUREs (default: synthetic ones) and say in a sentence which to use.

    Exit status: 0 an answer, which may be a tie; 3 not even a difference of 25 % could have been seen; 1 nothing could
    win; 130 interrupted (Ctrl-C, SIGTERM, SIGHUP). The record and the report are written in every case.
    """
    from packhorse.bench.race.progress import RichProgress
    from packhorse.bench.race.record import plain
    from packhorse.bench.race.run import run_race
    from packhorse.bench.report.terminal import show

    missing = next((file for file in captures if not file.is_file()), None)
    if missing is not None:
        raise InputError(f"{missing}: {'a folder' if missing.is_dir() else 'no such file'}; name capture files")
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
    with _made(output), ends_on_signals(signal.SIG_IGN):  # the user's captures may not be left in temporary files
        if any(text for text, _ in pictures):
            return _draw(options, [(text, memory) for text, memory in pictures if text])
        record = run_race(options, RichProgress(lasting_console(stderr=True)))
    show(plain(record), plain_console())
    click.echo(f"\nrecord and report: {output}/")
    if prefix := record.target.get("key_prefix"):
        click.echo(f"its objects, which nobody needs any more: s3://{options.bucket}/{prefix}")
    ended = status(record)
    if ended in {0, EXIT_UNRESOLVED}:
        click.echo(f"publish the winner: packhorse publish {output}")
    return ended


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """The folder, found out to be possible before minutes are spent; one made for unusable input is removed again."""
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except PackhorseError:
        if new:
            with suppress(OSError):  # something was written: it stays
                folder.rmdir()
        raise


def status(record: RaceRecord) -> int:
    """Exit status of a record's verdict, the same for ``race`` and ``judge``. A tie is an answer."""
    if record.interrupted:
        return EXIT_INTERRUPTED
    if record.winner.pipeline is None:
        return EXIT_NEGATIVE
    return 0 if record.winner.conclusive else EXIT_UNRESOLVED


def _draw(options: RaceOptions, pictures: list[tuple[str, bool]]) -> int:
    from packhorse.bench.flamegraph.race import draw

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
@click.option(
    "--study",
    "studies",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Record of a study for the page (repeat), beside every study-*.json of DIR.",
)
def report(directory: Path, studies: tuple[Path, ...]) -> None:
    """Render the reports of a race again from its record: Markdown, SVG, HTML, and its samples as CSV and Parquet."""
    from packhorse.bench.report.rendered import render

    _record_file(directory)
    rendered = render(directory, studies)
    for path in rendered.paths:
        click.echo(path)
    for reason in rendered.left_out:
        click.echo(shown(reason), err=True)


def _only_one(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> str | None:
    """The one condition; of several, click by itself would take the last and say nothing."""
    chosen = tuple(dict.fromkeys(given))
    if len(chosen) > 1:
        raise InputError(f"--require: give one condition, not {' and '.join(chosen)}")
    return chosen[0] if chosen else None


require_option = click.option(
    "--require",
    type=click.Choice([o.value for o in Require]),
    multiple=True,
    callback=_only_one,
    help="Choose only among pipelines that are so. By their objects: plain, one gzip stream of JSON that any standard "
    "library reads; text, base64 for consumers that need text. By their client: threads, called as the uploader does. "
    "One of them.",
)


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write (.toml); default: DIR/profile.toml.",
)
@click.option("--name", help="The profile's name; default: the file's.")
@click.option(
    "--objective", type=click.Choice([o.value for o in Objective]), help="Judge the record by this; default: its own."
)
@require_option
def publish(directory: Path, path: Path | None, name: str | None, objective: str | None, require: str | None) -> None:
    """Publish a race's winner as a profile (TOML with its provenance), by the race's own objective or another."""
    from packhorse.bench.race.judge import judge_folder
    from packhorse.bench.race.record import plain, read_record
    from packhorse.profiles.publish import extras, write_profile
    from packhorse.profiles.publish import publish as publish_text

    file = path or directory / "profile.toml"
    if file.suffix != ".toml":
        raise InputError(f"--to {file}: profiles are loaded from files ending in .toml; give such a name")
    record_file = _record_file(directory)
    record = read_record(record_file)
    if objective or require:
        record = judge_folder(
            record_file, Objective(objective) if objective else None, require=Require(require) if require else None
        )
    try:
        toml = publish_text(plain(record), name=name or file.stem, record_text=record_file.read_bytes())
    except RecordError as error:
        raise RecordError(f"{record_file}: {error}") from error
    profile = write_profile(toml, file)
    if record.winner.pipeline is not None and not record.winner.conclusive:
        click.echo(f"warning: the race was inconclusive ({record.winner.why}); the profile says so", err=True)
    click.echo(f"{file}: {profile.pipeline}, {profile.max_in_flight} in flight")
    if needed := extras(profile.pipeline):
        click.echo(f"its libraries: pip install 'packhorse[{','.join(needed)}]'")
    click.echo(f'use it: Uploader("s3://bucket/prefix", profile="{file}")')
