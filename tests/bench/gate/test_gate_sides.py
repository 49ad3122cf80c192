"""Checkouts of a gate: what CI systems have (shallow clones, work trees, hooks), and nothing changed in the user's."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from packhorse.bench.gate import sides
from packhorse.bench.gate.sides import checkout, commit_of, here, install, project_sides
from packhorse.errors import InputError
from tests.bench.gate.gate_shop import git, make_shop


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Three commits: 0 (tagged ``base``), 1 (tagged ``v1``), 2."""
    repo = make_shop(tmp_path, base="x = 0\n")
    for number in (1, 2):
        (repo / "shop.py").write_text(f"x = {number}\n")
        git(repo, "commit", "-qam", str(number))
        if number == 1:
            git(repo, "tag", "-a", "-m", "one", "v1")
    return repo


def test_a_base_fetched_into_a_shallow_clone_is_checked_out(origin: Path, tmp_path: Path) -> None:
    """As in CI: a checkout of depth 1, and the base fetched beside it without a branch of its own."""
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", "--no-tags", origin.as_uri(), str(shallow))
    git(shallow, "fetch", "-q", "--depth", "1", "--no-tags", "origin", "tag", "base")
    git(shallow, "update-ref", "-d", "refs/tags/base")
    before = git(shallow, "for-each-ref"), (shallow / ".git" / "shallow").read_bytes()
    base = checkout(shallow, commit_of(shallow, "FETCH_HEAD"), tmp_path / "base")
    (shallow / "shop.py").write_text("x = 'changed'\n")
    head = checkout(shallow, None, tmp_path / "head")
    assert (base / "shop.py").read_text() == "x = 0\n"
    assert (head / "shop.py").read_text() == "x = 'changed'\n"
    assert git(head, "log", "--format=%s") == "2"
    assert (git(shallow, "for-each-ref"), (shallow / ".git" / "shallow").read_bytes()) == before
    assert not (shallow / ".git" / "worktrees").exists()


def test_a_revision_that_a_shallow_clone_lacks_is_refused_with_what_to_do(origin: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", origin.as_uri(), str(shallow))
    with pytest.raises(InputError, match="fetch-depth: 0"):
        commit_of(shallow, "HEAD~1")


def test_a_checkout_has_history_and_tags_also_of_a_work_tree(origin: Path, tmp_path: Path) -> None:
    git(origin, "worktree", "add", "-q", str(tmp_path / "tree"), "v1")
    copy = checkout(tmp_path / "tree", None, tmp_path / "copy")
    assert (copy / "shop.py").read_text() == "x = 1\n"
    assert git(copy, "describe") == "v1"
    assert git(copy, "describe", "--tags", "HEAD~1") == "base"
    assert git(copy, "status", "--porcelain") == ""


def test_hooks_neither_mislead_git_nor_run(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-checkout").write_text("#!/bin/sh\ntouch hooked\n")
    (hooks / "post-checkout").chmod(0o755)
    settings = tmp_path / "settings"
    settings.write_text(f"[core]\n\thooksPath = {hooks}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "of-another-repository"))  # as git sets it for a pre-push hook
    copy = checkout(origin, commit_of(origin, "base"), tmp_path / "copy")
    assert sorted(path.name for path in copy.iterdir()) == [".git", ".gitignore", "shop.py"]


def test_links_and_submodules_of_the_working_tree_are_copied_as_they_are(origin: Path, tmp_path: Path) -> None:
    """Links that stay, appear, become files and hide folders; nothing is written to where one leads."""
    outside, elsewhere, library = tmp_path / "outside.txt", tmp_path / "elsewhere", tmp_path / "library"
    outside.write_text("theirs")
    elsewhere.mkdir()
    (elsewhere / "x.py").write_text("theirs")
    library.mkdir()
    git(library, "init", "-q")
    git(library, "commit", "-q", "--allow-empty", "-m", "one")
    for name, target in {"to-file": "shop.py", "to-folder": "real", "becomes-file": str(outside)}.items():
        (origin / name).symlink_to(target)
    for name in ("real", "becomes-link"):
        (origin / name).mkdir()
        (origin / name / "x.py").write_text("x = 1\n")
    git(origin, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "library")
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "links")
    (origin / "becomes-file").unlink()
    (origin / "becomes-file").write_text("ours")
    shutil.rmtree(origin / "becomes-link")
    (origin / "becomes-link").symlink_to(elsewhere)
    (origin / "dangling").symlink_to("nowhere")
    copy = checkout(origin, None, tmp_path / "copy")
    assert {path.name: str(path.readlink()) for path in copy.iterdir() if path.is_symlink()} == {
        "to-file": "shop.py",
        "to-folder": "real",
        "becomes-link": str(elsewhere),
        "dangling": "nowhere",
    }
    assert ((copy / "becomes-file").read_text(), outside.read_text()) == ("ours", "theirs")
    assert (elsewhere / "x.py").read_text() == "theirs"
    assert list((copy / "library").iterdir()) == []
    assert git(copy, "status", "--porcelain") == git(origin, "status", "--porcelain")


def test_git_is_asked_in_the_language_of_the_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git_itself = tmp_path / "bin" / "git"
    git_itself.parent.mkdir()
    git_itself.write_text('#!/bin/sh\necho "in $LC_ALL" >&2\nexit 1\n')
    git_itself.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git_itself.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(InputError, match=r"in C$"):
        sides.repository(tmp_path)


def test_a_python_without_ensurepip_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, ["python", "-m", "ensurepip"])

    monkeypatch.setattr("venv.create", create)
    with pytest.raises(InputError, match=r"python3-venv.*--environment here"):
        install(tmp_path, tmp_path / "env", ["."])


def test_a_revision_of_either_side_is_looked_up_before_anything_is_installed(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> Path:
        raise AssertionError("installed before it was known that there is such a revision")

    monkeypatch.setattr(sides, "install", never)
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(InputError, match="'nowhere' is neither"):
        project_sides(origin, "base", "nowhere", (".",), work)


def test_pip_hears_nothing_of_our_path_and_has_a_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in for the environment's Python is a script: no pip is run."""
    folder, python = tmp_path / "checkout", tmp_path / "env" / "bin" / "python"
    folder.mkdir()
    python.parent.mkdir(parents=True)
    python.write_text(
        '#!/bin/sh\ncase "$*" in *slow*) sleep 1000;; esac\necho "path: ${PYTHONPATH-none}" >&2\nexit 1\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr("venv.create", lambda *_, **__: None)
    monkeypatch.setenv("PYTHONPATH", "/ours")
    with pytest.raises(InputError, match="pip install ok failed: path: none; set what"):
        install(folder, tmp_path / "env", ["ok"])
    monkeypatch.setattr(sides, "INSTALL_LIMIT_S", 0.3)
    with pytest.raises(InputError, match=r"pip install slow of https://host/x did not end within 0.3 s"):
        install(folder, tmp_path / "env", ["slow", "of", "https://user:secret@host/x"])


def test_a_side_gets_none_of_our_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    side = here("base", "x")
    assert "PYTHONPATH" not in side.environment()
    assert replace(side, path=(tmp_path,)).environment()["PYTHONPATH"] == str(tmp_path)
