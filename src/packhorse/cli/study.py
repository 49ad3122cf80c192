"""``packhorse study NAME``: the experiments behind the promises. They live in a checkout, not in the wheel."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import packhorse
from packhorse import __version__
from packhorse.bench.race.machine import describe, scrub
from packhorse.cli.interrupts import ends_on_signals
from packhorse.cli.safe_stream import lasting_console
from packhorse.errors import InputError, did_you_mean
from packhorse.files import appearing

#: Studies by name. Each has a module of its name in ``benches.studies`` (or the one in ``_MODULES``) with a function
#: ``study(*, quick, seed, progress)``.
STUDIES = (
    "throughput", "streaming", "startup", "parallelism", "regimes", "node", "load", "pools", "faults",
    "large",
)  # fmt: skip
_MODULES = {"load": "load.stall"}
_TAKES_CAPTURES = ("throughput",)
SCHEMA_VERSION = 1
#: Of what is written beside a record, by the record's own name.
_TAKEN = (".md", ".svg")
EXIT_INTERRUPTED = 130
_FILE = click.Path(dir_okay=False, path_type=Path)


def _known(_context: click.Context, _argument: click.Parameter, name: str) -> str:
    if name not in STUDIES:
        raise InputError(f"no study is called {name!r}{did_you_mean(name, STUDIES)}; there are: {', '.join(STUDIES)}")
    return name


@click.command()
@click.argument("name", metavar="NAME", callback=_known)
@click.argument("captures", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--quick", is_flag=True, help="Fewer blocks: to see that it works, not to believe the figures.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of captures and orders.")
@click.option("-o", "--output", type=_FILE, help="Result file; default: stdout only.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON instead of the findings.")
@click.option("--flamegraph", type=_FILE, help="Draw where its time goes into this HTML file, in place of figures.")
@click.option("--flamegraph-memory", type=_FILE, help="Draw where its memory goes, likewise.")
def study(  # one parameter for each option
    name: str,
    captures: tuple[Path, ...],
    *,
    quick: bool,
    seed: int,
    output: Path | None,
    as_json: bool,
    **pictures: Path | None,
) -> int:
    """Run experiment NAME and print its findings; with -o, also write its record (raw samples included) and report.

    NAME is one of: throughput, streaming, startup, parallelism, regimes, node, load, pools, faults, large.

    The throughput study takes captures of yours: packhorse study throughput my.har other.har

    Exit status: 0; 130 interrupted (Ctrl-C, SIGTERM, SIGHUP), where it says what was kept.
    """
    _check(name, captures, output)
    _find_studies()
    words = [name, *map(str, captures), *(["--quick"] if quick else []), "--seed", str(seed)]
    if any(pictures.values()):
        _draw(words, pictures)
        return 0
    with _bar() as progress:
        task = progress.add_task(f"study {name}", total=1.0)
        module = importlib.import_module(f"benches.studies.{_MODULES.get(name, name)}")
        try:
            with ends_on_signals():
                result = module.study(
                    quick=quick,
                    seed=seed,
                    progress=lambda done: progress.update(task, completed=done),
                    **({"captures": captures} if name in _TAKES_CAPTURES else {}),
                )
        except KeyboardInterrupt:
            sys.stderr.write("packhorse: interrupted; nothing was kept\n")
            return EXIT_INTERRUPTED
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": "study",
        "name": name,
        "packhorse_version": __version__,
        "command": ["packhorse", "study", *map(scrub, words)],
        "quick": quick,
        "machine": describe(),
        **result,
    }
    _print(module, document, result, as_json=as_json)
    if output is not None:
        with appearing(output) as file:
            file.write(json.dumps(document, indent=1).encode() + b"\n")
        sys.stderr.write(f"{output}\n")
        _write_report(module, document, output.with_suffix(".md"))
    if not result.get("interrupted"):
        return 0
    where = f"in {output}" if output is not None else "above"
    sys.stderr.write(f"packhorse: interrupted; what was measured is {where}\n")
    return EXIT_INTERRUPTED


def _find_studies() -> None:
    """Make ``benches.studies`` importable here and in child processes.

    Looks in the current folder and those above it, then beside an editable install.

    Raises:
        InputError: No checkout is there.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(packhorse.__file__).resolve().parents[2]):
        if (folder / "benches" / "studies" / "blocks.py").is_file():
            sys.path.insert(0, str(folder))
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
            return
    raise InputError(
        "the studies are not in the installed package: run this inside a checkout of packhorse, "
        "with pip install -e '.[bench]'"
    )


def _draw(arguments: list[str], pictures: dict[str, Path | None]) -> None:
    from packhorse.bench.flamegraph.study import draw

    draw(arguments, time_path=pictures["flamegraph"], memory_path=pictures["flamegraph_memory"])
    for path in filter(None, pictures.values()):
        click.echo(path)


def _write_report(module: Any, document: dict[str, Any], path: Path) -> None:
    """Beside the record, what the study says in words, where its module can say it: ``markdown(document) -> str``."""
    if hasattr(module, "markdown"):
        with appearing(path) as file:
            file.write(module.markdown(document).encode())
        sys.stderr.write(f"{path}\n")
    if hasattr(module, "pictures"):  # ``pictures(document) -> {name: SVG}``, as the report names them
        for picture, svg in module.pictures(document).items():
            drawn = path.with_name(f"study-{document['name']}-{picture}.svg")
            with appearing(drawn) as file:
                file.write(svg.encode())
            sys.stderr.write(f"{drawn}\n")


def _check(name: str, captures: tuple[Path, ...], output: Path | None) -> None:
    """Raises InputError for what would only be found out at the end, or would be ignored."""
    if output is not None and output.suffix.lower() in _TAKEN:
        raise InputError(
            f"{output}: {output.suffix} is for the report beside the record; give -o a name ending in .json"
        )
    if output is not None and not output.parent.is_dir():
        raise InputError(f"{output}: there is no folder {output.parent}")
    if captures and name not in _TAKES_CAPTURES:
        raise InputError(f"study {name} makes its own captures; only {', '.join(_TAKES_CAPTURES)} takes yours")


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=lasting_console(stderr=True), transient=True)


def _print(module: Any, document: dict[str, Any], result: dict[str, Any], *, as_json: bool) -> None:
    """The findings in words, where the module can say them, else its figures one a line; or all figures as JSON."""
    figures = _shown({key: value for key, value in result.items() if key != "settings"})
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    elif hasattr(module, "markdown"):
        click.echo(module.markdown(document), nl=False)
    else:
        for line in _lines(figures):
            click.echo(line)


def _lines(value: Any, path: str = "") -> Iterator[str]:
    """Figures of a study that has no report of its own, one a line: ``arms.orjson.wall_s: 1.2``."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _lines(item, f"{path}.{key}" if path else str(key))
    elif not isinstance(value, list):
        yield f"{path}: {value}"
    elif not any(isinstance(item, (dict, list)) for item in value):
        yield f"{path}: {', '.join(map(str, value))}"


def _shown(value: Any) -> Any:
    """For people: four significant digits and no samples; the record keeps them all."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items() if key != "samples"}
    return value
