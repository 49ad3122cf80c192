"""The GitHub Action's shell parts, run as the runner runs them, against a stand-in for GitHub's API on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench.report.pr_comment import MARKER
from tests.bench.gate.gate_shop import WORK, git

# One gate of a repository is what most of these tests look at.
pytestmark = pytest.mark.xdist_group("action")

ROOT = Path(__file__).parents[2]
TOKEN = "ghs_not-a-real-token"
ALICE = {"login": "alice", "type": "User"}


class Api(ThreadingHTTPServer):
    """Comments of one pull request, and every request made. The token is a workflow's, unless ``user`` is set."""

    def __init__(self, comments: list[dict[str, Any]], *, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments = comments
        self.status = status
        self.user = ""
        self.asked: list[tuple[str, str, str | None]] = []


class Handler(BaseHTTPRequestHandler):
    server: Api

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _answer(self, data: Any, status: int = 0) -> None:
        status = status or self.server.status
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        body = json.dumps(data if status == 200 else {"message": "forbidden"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> str:
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def do_GET(self) -> None:
        if self.path == "/user":
            self._answer({"login": self.server.user}, 200 if self.server.user else 403)
            return
        page = int(re.search(r"[?&]page=(\d+)", self.path)[1])  # type: ignore[index]
        self._answer(self.server.comments[100 * (page - 1) : 100 * page])

    def do_POST(self) -> None:
        number = 1000 + len(self.server.comments)
        self.server.comments.append({"id": number, "body": self._body(), "user": self._author()})
        self._answer({})

    def _author(self) -> dict[str, str]:
        if self.server.user:
            return {"login": self.server.user, "type": "User"}
        return {"login": "github-actions[bot]", "type": "Bot"}

    def do_PATCH(self) -> None:
        number, body = int(self.path.rsplit("/", 1)[1]), self._body()
        comment = next(c for c in self.server.comments if c["id"] == number)
        if comment["user"] == self._author():
            comment["body"] = body
        self._answer({}, 0 if comment["user"] == self._author() else 403)


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    server = Api([{"id": n, "body": f"hello {n}", "user": ALICE} for n in range(250)])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(script: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    files = {"GITHUB_OUTPUT": str(folder / "outputs"), "GITHUB_STEP_SUMMARY": str(folder / "summary")}
    return subprocess.run(
        ["bash", str(ROOT / "action" / script)],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), **files, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose working tree does thrice the work, after the gate has run on it."""
    repo = tmp_path_factory.mktemp("shop")
    git(repo, "init", "-q")
    (repo / "shop.py").write_text(WORK.format(20_000))
    rows = '[[tool.packhorse.gate.rows]]\nname = "encode"\ncall = "shop:encode"\nmargin = 0.3\n'
    table = "[tool.packhorse.gate]\nblocks = 8\nrepeats = 1\nsample_s = 0.004\n"
    (repo / "pyproject.toml").write_text(table + rows)
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "one")
    (repo / "shop.py").write_text(WORK.format(60_000))
    done = run(
        "gate.sh",
        repo,
        PACKHORSE_BASE="HEAD",
        PACKHORSE_ARGUMENTS="--environment here --row encode",
        PACKHORSE_OUTPUT="out",
    )
    assert done.returncode == 0, done.stderr  # decide.sh fails the job, once the report is out
    return repo


def test_the_gate_writes_summary_and_exit_code(slower: Path) -> None:
    assert "exit-code=1" in (slower / "outputs").read_text()
    assert "REGRESSED" in (slower / "summary").read_text()
    assert {"gate.json", "summary.md", "junit.xml", "benchmark.json", "comment.md"} <= {
        path.name for path in (slower / "out").iterdir()
    }


def test_unusable_input_fails_at_once(tmp_path: Path) -> None:
    done = run("gate.sh", tmp_path, PACKHORSE_BASE="HEAD", PACKHORSE_OUTPUT="out")
    assert done.returncode == 2
    assert "packhorse:" in done.stderr
    assert run("gate.sh", tmp_path, PACKHORSE_OUTPUT="out").returncode == 2


@pytest.mark.parametrize(("status", "said"), [(0, "no record"), (1, "no record"), (3, "no record"), (2, ""), (130, "")])
def test_an_exit_status_without_a_fresh_record_is_no_verdict(tmp_path: Path, status: int, said: str) -> None:
    """A crash of Python exits 1 as a regression does, and a record may lie there from the run before."""
    (tmp_path / "packhorse").write_text(f"#!/bin/sh\nexit {status}\n")
    (tmp_path / "packhorse").chmod(0o755)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "gate.json").write_text("{}")
    (tmp_path / "out" / "summary.md").write_text("old news")
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = run("gate.sh", tmp_path, PACKHORSE_BASE="HEAD", PACKHORSE_OUTPUT="out", PATH=path)
    expected = status if status in {2, 130} else 2
    assert done.returncode == expected
    assert said in done.stderr
    assert (tmp_path / "outputs").read_text() == f"exit-code={expected}\n"
    assert not (tmp_path / "summary").exists()


def test_arguments_may_stand_on_several_lines_and_hold_no_more_than_words(tmp_path: Path) -> None:
    (tmp_path / "packhorse").write_text('#!/bin/sh\nprintf "%s;" "$@" > words\nexit 2\n')
    (tmp_path / "packhorse").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    for given, words in (("--row a\n--blocks 30\n", "--row;a;--blocks;30;"), ("", "")):
        run("gate.sh", tmp_path, PACKHORSE_BASE="b", PACKHORSE_OUTPUT="out", PACKHORSE_ARGUMENTS=given, PATH=path)
        assert (tmp_path / "words").read_text() == f"gate;--base;b;-C;.;-o;out;{words}"


def settings(api: Api) -> dict[str, str]:
    return {
        "PACKHORSE_OUTPUT": "out", "PACKHORSE_PULL_REQUEST": "7", "PACKHORSE_TOKEN": TOKEN,
        "GITHUB_REPOSITORY": "shop/shop", "GITHUB_API_URL": f"http://127.0.0.1:{api.server_port}",
        "PACKHORSE_RUN_URL": "https://example.org/run/1",
    }  # fmt: skip


def test_one_comment_is_posted_and_then_updated(slower: Path, api: Api) -> None:
    for _ in range(2):
        done = run("comment.sh", slower, **settings(api))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    ours = [comment for comment in api.comments if comment["body"].startswith(MARKER)]
    assert len(ours) == 1
    assert "encode" in ours[0]["body"]
    assert len(ours[0]["body"].splitlines()) <= 60
    assert [method for method, _, _ in api.asked] == ["GET", "GET", "GET", "POST", "GET", "GET", "GET", "PATCH"]
    assert {authorization for _, _, authorization in api.asked} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("author", "user", "posted"),
    [
        (ALICE, "", True),  # somebody wrote the marker: theirs stays as it is
        (ALICE, "bob", True),
        ({"login": "other[bot]", "type": "Bot"}, "", True),  # 403
        ({"login": "github-actions[bot]", "type": "Bot"}, "", False),
        (ALICE, "alice", False),  # a user's own token posts in their name
    ],
)
def test_only_our_own_comment_is_updated(
    slower: Path, api: Api, author: dict[str, str], user: str, *, posted: bool
) -> None:
    api.user = user
    api.comments[:] = [{"id": 1, "body": f"{MARKER}\nmine", "user": author}]
    done = run("comment.sh", slower, **settings(api))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(api.comments) == 1 + posted
    assert (api.comments[0]["body"] == f"{MARKER}\nmine") == posted
    assert "encode" in api.comments[-1]["body"]


def test_another_bots_comment_does_not_hide_ours(slower: Path, api: Api) -> None:
    authors = ({"login": "other[bot]", "type": "Bot"}, {"login": "github-actions[bot]", "type": "Bot"})
    api.comments[:] = [{"id": n, "body": f"{MARKER}\nold", "user": user} for n, user in enumerate(authors, 1)]
    assert run("comment.sh", slower, **settings(api)).returncode == 0
    assert [("encode" in comment["body"]) for comment in api.comments] == [False, True]


def test_without_a_token_there_is_a_warning_and_no_failure(slower: Path, api: Api) -> None:
    done = run("comment.sh", slower, **{**settings(api), "PACKHORSE_TOKEN": ""})
    assert (done.returncode, api.asked) == (0, [])
    assert "::warning::" in done.stdout


def test_a_comment_that_may_not_be_posted_is_a_warning_without_the_token(slower: Path, api: Api) -> None:
    api.status = 403
    done = run(
        "comment.sh",
        slower,
        PACKHORSE_OUTPUT="out",
        PACKHORSE_PULL_REQUEST="7",
        PACKHORSE_TOKEN=TOKEN,
        GITHUB_REPOSITORY="shop/shop",
        GITHUB_API_URL=f"http://127.0.0.1:{api.server_port}",
    )
    assert done.returncode == 0
    assert "::warning::" in done.stdout
    assert "403" in done.stderr
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "fail_unresolved", "status"),
    [("0", "true", 0), ("1", "false", 1), ("3", "false", 0), ("3", "true", 3), ("", "false", 2), ("2", "false", 2)],
)
def test_the_exit_code_decides_the_job(tmp_path: Path, code: str, fail_unresolved: str, status: int) -> None:
    done = run("decide.sh", tmp_path, PACKHORSE_EXIT_CODE=code, PACKHORSE_FAIL_UNRESOLVED=fail_unresolved)
    assert done.returncode == status


def test_every_input_is_used_and_documented() -> None:
    text, guide = (ROOT / "action.yml").read_text(), (ROOT / "docs" / "ci.md").read_text()
    inputs = set(re.findall(r"(?m)^  ([\w-]+):$", text.partition("outputs:")[0]))
    assert {"token", "artifact"} <= inputs
    assert inputs == set(re.findall(r"inputs\.([\w-]+)", text))
    assert inputs == set(re.findall(r"(?m)^\| `([\w-]+)` \|", guide))


def test_the_action_names_only_scripts_and_settings_that_exist() -> None:
    text = (ROOT / "action.yml").read_text()
    scripts = set(re.findall(r"action/(\w+\.sh)", text))
    assert scripts == {path.name for path in (ROOT / "action").glob("*.sh")}
    assert all(os.access(ROOT / "action" / script, os.X_OK) for script in scripts)
    given = set(re.findall(r"(PACKHORSE_\w+):", text))
    used = {
        name
        for path in (ROOT / "action").iterdir()
        if path.is_file()
        for name in re.findall(r"PACKHORSE_\w+", path.read_text())
    }
    assert used <= given
    assert given - used == {"PACKHORSE_REQUIREMENT"}  # used in action.yml itself


@pytest.mark.parametrize(
    ("status", "record", "expected", "said"),
    [
        (0, True, 0, "gate: passed"),
        (1, True, 1, "gate: regressed"),
        (1, False, 0, "gate: left out"),  # a crash
        (2, False, 0, "gate: left out"),
        (3, True, 0, "gate: unresolved"),
        (124, False, 0, "gate: left out"),  # timeout's
    ],
)
def test_our_own_ci_fails_on_a_regression_alone(
    tmp_path: Path, status: int, expected: int, said: str, *, record: bool
) -> None:
    repo = tmp_path / "repo"
    (repo / ".ci").mkdir(parents=True)
    (repo / ".ci" / "gate").write_text((ROOT / ".ci" / "gate").read_text())
    packhorse = repo / "packhorse"
    packhorse.write_text(f"#!/bin/sh\n{'echo > out/gate.json' if record else ''}\nexit {status}\n")
    packhorse.chmod(0o755)
    (repo / "out").mkdir()
    (repo / "out" / "gate.json").write_text("{}")  # an earlier run's
    command = ["bash", str(repo / ".ci" / "gate"), str(packhorse), "out"]
    git(repo, "init", "-q")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "one")
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (first.returncode, first.stdout[:24]) == (0, "gate: left out: the comm")
    git(repo, "commit", "-q", "--allow-empty", "-m", "two")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == expected
    assert said in done.stdout + done.stderr
