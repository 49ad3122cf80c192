"""The two sides of a gate: where their code is and which Python runs it. Checkouts and environments are made here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packhorse.errors import InputError
from packhorse.race.machine import scrub

#: Variables that change how Python runs or finds code; a side gets none of the caller's.
_DROPPED = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONDEVMODE",
    "PYTHONTRACEMALLOC",
    "PYTHONPROFILEIMPORTTIME",
)
#: Longest a project may take to install.
INSTALL_LIMIT_S = 900


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two things compared.

    Attributes:
        name: ``base`` or ``head``.
        label: What it is, for people: a revision, a profile's name, "working tree".
        python: The interpreter that runs it.
        folder: Where its process runs; the checkout, so that the project's modules can be imported.
        path: Folders put first on ``sys.path``; empty where the project is installed in the side's environment.
    """

    name: str
    label: str
    python: Path
    folder: Path
    path: tuple[Path, ...] = ()

    def environment(self) -> dict[str, str]:
        """Environment variables of its process."""
        kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
        return kept | ({"PYTHONPATH": os.pathsep.join(str(p) for p in self.path)} if self.path else {})


def here(name: str, label: str, *, folder: Path | None = None) -> Side:
    """A side in the environment that runs the gate: for comparing profiles, which need no checkout."""
    return Side(name, label, Path(sys.executable), folder or Path.cwd())


def repository(folder: Path) -> Path:
    """The top of the git checkout that holds ``folder``.

    Raises:
        InputError: It is in none, or git is missing.
    """
    return Path(_git(folder, "rev-parse", "--show-toplevel"))


def commit_of(repo: Path, revision: str) -> str:
    """The commit's full hash.

    Raises:
        InputError: There is no such revision here.
    """
    try:
        return _git(repo, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except InputError as error:
        raise InputError(
            f"{revision!r} is neither a profile, a record nor a revision of this repository; in CI fetch it first "
            "(git fetch origin BRANCH; with actions/checkout: fetch-depth: 0)"
        ) from error


def checkout(repo: Path, commit: str | None, folder: Path) -> Path:
    """A copy of the project at ``commit`` in ``folder``; None copies the working tree, uncommitted changes included.

    Both are clones with their history, for projects that take their version from it; ``repo`` itself is not touched.

    Raises:
        InputError: git fails.
    """
    _git(repo, "clone", "--quiet", "--shared", "--no-checkout", "--", str(repo), str(folder))
    _git(folder, "checkout", "--quiet", "--detach", commit or _git(repo, "rev-parse", "HEAD"))
    if commit is None:
        _copy_changes(repo, folder)
    return folder


def _copy_changes(repo: Path, folder: Path) -> None:
    """Bring a clone of HEAD to the state of the working tree: what is tracked or not ignored."""
    listed = _git(repo, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    wanted = {name for name in listed if name and (repo / name).is_file()}
    present = {name for name in _git(folder, "ls-files", "-z").split("\0") if name}
    for name in present - wanted:
        (folder / name).unlink(missing_ok=True)
    for name in wanted:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(repo / name, folder / name, follow_symlinks=False)


def install(folder: Path, environment: Path, arguments: Sequence[str]) -> Path:
    """A fresh virtual environment with the checkout installed. Returns its Python.

    Args:
        folder: The checkout; pip runs in it.
        environment: Where the environment is made.
        arguments: What pip is given after ``install``.

    Raises:
        InputError: pip fails; the message has its last lines.
    """
    venv.create(environment, with_pip=True, symlinks=True)
    python = environment / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_LIMIT_S,
    )
    if done.returncode != 0:
        said = scrub(" / ".join(done.stderr.strip().splitlines()[-3:]))[:500]
        raise InputError(
            f"gate: pip install {' '.join(arguments)} failed: {said}; set what to install in [tool.packhorse.gate], "
            "'install', or use this environment for both sides: --environment here"
        )
    return python


def project_sides(
    project: Path, base: str, head: str | None, arguments: Sequence[str] | None, work: Path
) -> tuple[Side, Side]:
    """Two checkouts of one project, each with an environment of its own.

    Args:
        project: The user's project: a repository, or a folder inside one.
        base: A revision.
        head: A revision, or None for the working tree.
        arguments: What ``pip install`` is given in each checkout; None runs both in this environment, with the
            checkout's code first on the path.
        work: An empty folder; what is made in it stays there.
    """
    sides = []
    repo = repository(project)
    inside = project.resolve().relative_to(repo.resolve())
    # Paths of equal length: even the environment's size can shift a process's stack, and with it its timings
    # (Mytkowicz et al., "Producing wrong data without doing anything obviously wrong!", ASPLOS 2009).
    for name, revision in (("base", base), ("head", head)):
        commit = None if revision is None else commit_of(repo, revision)
        folder = checkout(repo, commit, work / name) / inside
        if not folder.is_dir():
            raise InputError(
                f"gate: {revision or 'the working tree'} has no folder {inside}, so there is no {name} side"
            )
        label = "working tree" if commit is None else f"{revision} ({commit[:10]})"
        if arguments is None:
            path = tuple(p for p in (folder / "src", folder) if p.is_dir())
            sides.append(Side(name, label, Path(sys.executable), folder, path))
        else:
            sides.append(Side(name, label, install(folder, work / f"{name}-env", arguments), folder))
        _compile(sides[-1])
    return sides[0], sides[1]


def _compile(side: Side) -> None:
    """Byte code for both sides beforehand, so that neither pays for it."""
    subprocess.run([side.python, "-m", "compileall", "-q", str(side.folder)], capture_output=True, check=False)


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise InputError("gate: the program git was not found; a gate between revisions needs it") from error
    if done.returncode != 0:
        raise InputError(f"git {arguments[0]}: {done.stderr.strip()[:300] or 'failed'}")
    return done.stdout.strip("\n")
