"""Flamegraphs: where a pipeline spends its time (py-spy) or its memory (memray), as one HTML file without a network.

Both profilers see every thread: the uploader's encoding and uploading threads do the work, the main one waits. They run
what they watch as a program of their own, so that nothing of this process is in the picture.
"""

from __future__ import annotations

import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packhorse.bench.flamegraph.allocations import FOLDER_VARIABLE
from packhorse.errors import PackhorseError, UnavailableError
from packhorse.files import appearing

#: Samples a second: at 200, watching costs the program a few percent, and ten seconds give two thousand samples.
RATE_HZ = 200
REMEDY = "pip install 'packhorse[profile]'"
#: Seconds after which a watched program is taken for hung.
LIMIT_S = 3600.0
_SAID_CHARS = 500
_TITLE = re.compile(r'(<text id="title"[^>]*>)[^<]*(</text>)')

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; margin: 1em }} svg {{ width: 100%; height: auto }}</style></head><body>
<h1>{title}</h1>
<p>{about}</p>
<p>Search with Ctrl-F or the word at the upper right (regular expressions work); click a frame to zoom, \
“Reset Zoom” to go back. Width is time on a core; a thread is the first row under “all”.</p>
{svg}
</body></html>
"""


class FlamegraphError(PackhorseError):
    """A profiler or the program it watched failed; the text holds the end of what it said. No file was written."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A program to run under a profiler.

    Attributes:
        module: What ``python -m`` runs.
        arguments: Its arguments.
        given: Its standard input.
        proof: A file that it writes when all went well: profilers end well whatever the watched program does.
        subprocesses: Watch the programs that it starts as well (time alone).
    """

    module: str
    arguments: Sequence[str] = ()
    given: str = ""
    proof: Path | None = None
    subprocesses: bool = False


def time_html(watched: Watched, path: Path, *, title: str) -> None:
    """Run ``watched``, sample all its threads, and write a flamegraph of their time on a core to ``path``.

    Raises:
        UnavailableError: py-spy is not installed, or may not look into other processes here; says what to do.
        FlamegraphError: The program failed.
    """
    spy = _program("py-spy")
    with tempfile.TemporaryDirectory(prefix="packhorse-") as folder:
        svg = Path(folder) / "flamegraph.svg"
        options = ["--format", "flamegraph", "--rate", str(RATE_HZ), "--threads", "--function", "--output", str(svg)]
        options += ["--subprocesses"] if watched.subprocesses else []
        done = _run([str(spy), "record", *options, "--", *_python(watched)], watched)
        if "ermission denied" in done.stderr:
            raise UnavailableError(
                "py-spy may not look into other processes here: run as root, or give the container SYS_PTRACE"
                " (docker run --cap-add SYS_PTRACE)"
            )
        _expect_good(done, svg, watched.proof)
        samples = re.search(r"Samples: (\d+)", done.stderr + done.stdout)
        about = f"{samples[1] if samples else 'Some'} samples, {RATE_HZ} a second, of every thread that was on a core."
        _write(path, _PAGE.format(title=html.escape(title), about=about, svg=_inline(svg.read_text(encoding="utf-8"))))


def memory_html(watched: Watched, path: Path) -> None:
    """Run ``watched``, record its allocations, and write a flamegraph of its memory at the peak to ``path``.

    Where it runs blocks of a study in processes of their own, the one that needed most is drawn.

    Raises:
        UnavailableError: memray is not installed; says what to do.
        FlamegraphError: The program failed.
    """
    if importlib.util.find_spec("memray") is None:
        raise UnavailableError(f"memray is not installed (Linux and macOS have it): {REMEDY}")
    with tempfile.TemporaryDirectory(prefix="packhorse-") as folder:
        raw, page = Path(folder) / "main.bin", Path(folder) / "flamegraph.html"
        memray = [sys.executable, "-m", "memray"]
        command = [*memray, "run", "--quiet", "--output", str(raw), *_python(watched)[1:]]
        done = _run(command, watched, {FOLDER_VARIABLE: folder})
        _expect_good(done, raw, watched.proof)
        # Assets inside the file, none from the network; and no lines of anybody's source.
        options = ["--no-web", "--confidential-files", "all", "--output", str(page)]
        highest = max(Path(folder).glob("*.bin"), key=_peak_bytes)
        drawn = subprocess.run(
            [*memray, "flamegraph", *options, str(highest)],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        _expect_good(drawn, page)
        _write(path, _without_folders(page.read_text(encoding="utf-8")))


def _peak_bytes(recording: Path) -> int:
    import memray

    with memray.FileReader(recording) as reader:
        peak = int(reader.metadata.peak_memory)
    return peak  # noqa: RET504  # a return inside may be swallowed, as far as memray says


def _program(name: str) -> Path:
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if (folder / name).is_file():
            return folder / name
    found = shutil.which(name)
    if found is None:
        raise UnavailableError(f"{name} is not installed: {REMEDY}")
    return Path(found)


def _python(watched: Watched) -> list[str]:
    return [sys.executable, "-m", watched.module, *watched.arguments]


def _run(
    command: list[str], watched: Watched, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        input=watched.given,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def _expect_good(done: subprocess.CompletedProcess[str], *written: Path | None) -> None:
    """A program that failed, or ended before anything was seen of it, makes no picture."""
    if done.returncode != 0 or not all(path is None or path.is_file() for path in written):
        said = (done.stdout.strip() + "\n" + done.stderr.strip()).strip()[-_SAID_CHARS:]
        raise FlamegraphError(f"no flamegraph, since the watched program failed:\n{said}")


def _inline(svg: str) -> str:
    """py-spy's picture, script and all, without the prologue that only a file of its own may have.

    Its title is py-spy's command line, which names folders of this machine; and a function's name, which its labels
    begin with, is worth more than the file's, which they end with.
    """
    picture = svg[svg.index("<svg") :].replace("truncate_text_right = false", "truncate_text_right = true")
    return _without_folders(_TITLE.sub(r"\1\2", picture))


def _without_folders(page: str) -> str:
    """Files as seen from where libraries are installed: ``botocore/utils.py``."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    source = Path(__file__).resolve().parents[3]
    folders |= {str(source), str(source.parent), str(Path(sys.executable).parent)}
    for folder in sorted(folders, key=len, reverse=True):
        page = page.replace(f"{folder}/", "")
    return page


def _write(path: Path, text: str) -> None:
    with appearing(path) as file:
        file.write(text.encode())
