"""The two sides of a gate: where their code is and which Python runs it. Checkouts and environments are made here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from packhorse.bench.child import run_to_end
from packhorse.bench.race.machine import scrub
from packhorse.errors import InputError

#: Variables that change how Python runs or finds code; a side gets none of the caller's.
_DROPPED = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONDEVMODE",
    "PYTHONTRACEMALLOC",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONSAFEPATH",
)
#: What git sets for its hooks; a gate that runs in one must ask about the folders that it names.
_GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")
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
        return clean_environment() | ({"PYTHONPATH": os.pathsep.join(str(p) for p in self.path)} if self.path else {})


def clean_environment() -> dict[str, str]:
    """Our environment variables, less those that decide where Python and git look for code."""
    kept = {name: value for name, value in os.environ.items() if name not in {*_DROPPED, *_GIT}}
    return kept | {"GIT_DEFAULT_REF_FORMAT": "files"}  # the form in which a checkout's tags are written


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

    It is a repository with the history and the tags that ``repo`` has, for projects that take their version from them.
    ``repo`` itself is not touched. Its objects are borrowed and not cloned: a clone of a shallow repository, as CI
    systems have them, would lack what was fetched without a branch of its own.

    Raises:
        InputError: git fails.
    """
    wanted = commit or _git(repo, "rev-parse", "HEAD")
    # No templates and no hooks: what a user has set up for work on a repository is not for this copy.
    _git(repo, "init", "--quiet", "--template=", f"--object-format={_object_format(repo)}", "--", str(folder))
    info = folder / ".git" / "objects" / "info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "alternates").write_text(f"{_git_path(repo, 'objects')}\n", encoding="utf-8")
    shallow = _git_path(repo, "shallow")
    if shallow.is_file():
        shutil.copyfile(shallow, folder / ".git" / "shallow")
    tags = _git(repo, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags")
    if tags:
        header = "# pack-refs with: sorted\n"
        (folder / ".git" / "packed-refs").write_text(f"{header}{tags}\n", encoding="utf-8")
    _git(folder, "-c", f"core.hooksPath={os.devnull}", "checkout", "--quiet", "--detach", wanted)
    if commit is None:
        _copy_changes(repo, folder)
    return folder


def _object_format(repo: Path) -> str:
    return _git(repo, "rev-parse", "--show-object-format")


def _git_path(repo: Path, name: str) -> Path:
    """Where git keeps ``name`` for ``repo``, which may be a work tree of another repository."""
    return (repo / _git(repo, "rev-parse", "--git-path", name)).resolve()


def _copy_changes(repo: Path, folder: Path) -> None:
    """Bring a clone of HEAD to the state of the working tree: what is tracked or not ignored."""
    listed = _git(repo, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    wanted = {name for name in listed if name and _own_file(repo, name)}
    present = {name for name in _git(folder, "ls-files", "-z").split("\0") if name}
    for name in present - wanted:
        gone = folder / name
        if gone.is_symlink() or not gone.is_dir():  # a submodule is a folder, and empty on both sides
            gone.unlink(missing_ok=True)
    for name in sorted(wanted):
        to = folder / name
        to.parent.mkdir(parents=True, exist_ok=True)
        # Never onto what is there: through a link it would be written elsewhere, even outside the copy.
        if to.is_dir() and not to.is_symlink():
            shutil.rmtree(to)
        else:
            to.unlink(missing_ok=True)
        shutil.copy2(repo / name, to, follow_symlinks=False)


def _own_file(repo: Path, name: str) -> bool:
    """Whether ``name`` is a file or a link of the tree itself, and not something that a linked folder leads to."""
    if any((repo / parent).is_symlink() for parent in PurePath(name).parents[:-1]):
        return False
    return (repo / name).is_symlink() or (repo / name).is_file()


def install(folder: Path, environment: Path, arguments: Sequence[str]) -> Path:
    """A fresh virtual environment with the checkout installed. Returns its Python.

    Args:
        folder: The checkout; pip runs in it.
        environment: Where the environment is made.
        arguments: What pip is given after ``install``.

    Raises:
        InputError: The environment cannot be made, or pip fails; the message has its last lines.
    """
    try:
        venv.create(environment, with_pip=True, symlinks=True)
    except subprocess.CalledProcessError as error:  # it starts ensurepip, which some systems package by itself
        raise InputError(
            "gate: a virtual environment with pip cannot be made: ensurepip failed; install it (Debian and Ubuntu: the "
            "package python3-venv), or use this environment for both sides: --environment here"
        ) from error
    python = environment / "bin" / "python"
    what = f"gate: pip install {scrub(' '.join(arguments))}"
    advice = (
        "set what to install in [tool.packhorse.gate], 'install', or use this environment for both sides: "
        "--environment here"
    )
    try:
        done = run_to_end(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *arguments],
            folder=folder,
            env=clean_environment(),
            limit_s=INSTALL_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{what} did not end within {INSTALL_LIMIT_S} s; {advice}") from error
    if done.returncode != 0:
        said = scrub(" / ".join(done.stderr.strip().splitlines()[-3:]))[:500]
        raise InputError(f"{what} failed: {said}; {advice}")
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
    # All that can be wrong with the names is found out before minutes are spent on environments.
    commits = {name: commit_of(repo, text) if text else None for name, text in (("base", base), ("head", head))}
    # Paths of equal length: even the environment's size can shift a process's stack, and with it its timings
    # (Mytkowicz et al., "Producing wrong data without doing anything obviously wrong!", ASPLOS 2009).
    folders = {name: checkout(repo, commit, work / name) / inside for name, commit in commits.items()}
    for name, revision in (("base", base), ("head", head)):
        if not folders[name].is_dir():
            raise InputError(
                f"gate: {revision or 'the working tree'} has no folder {inside}, so there is no {name} side"
            )
    for name, revision in (("base", base), ("head", head)):
        commit, folder = commits[name], folders[name]
        label = "working tree" if commit is None else f"{scrub(str(revision))} ({commit[:10]})"
        if arguments is None:
            path = tuple(p for p in (folder / "src", folder) if p.is_dir())
            sides.append(Side(name, label, Path(sys.executable), folder, path))
        else:
            sides.append(Side(name, label, install(folder, work / f"{name}-env", arguments), folder))
        _compile(sides[-1])
    return sides[0], sides[1]


def _compile(side: Side) -> None:
    """Byte code for both sides beforehand, so that neither pays for it."""
    run_to_end([side.python, "-m", "compileall", "-q", str(side.folder)], folder=side.folder, env=side.environment())


def _git(folder: Path, *arguments: str) -> str:
    env = clean_environment() | {"LC_ALL": "C"}  # what it says is quoted in our messages, which are in English
    try:
        done = run_to_end(["git", "-C", str(folder), *arguments], folder=Path.cwd(), env=env)
    except FileNotFoundError as error:
        raise InputError("gate: the program git was not found; a gate between revisions needs it") from error
    if done.returncode != 0:
        raise InputError(f"git {arguments[0]}: {scrub(done.stderr.strip())[:300] or 'failed'}")
    return done.stdout.strip("\n")
