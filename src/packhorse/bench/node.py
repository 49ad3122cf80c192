"""The Node originals of ``benches/node``: whether they can run here, and a worker process that runs them."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from packhorse.errors import PackhorseError, UnavailableError

#: Oldest Node that the pinned AWS SDK runs on.
OLDEST_NODE = 20
#: Seconds after which a silent worker is taken for hung and killed: bfj needs four for its worst capture.
SILENCE_LIMIT_S = 300.0
#: Seconds a worker has for ending by itself.
GRACE_S = 5.0
INSTALL = "npm install --prefix benches/node"
#: What a worker gets of our environment: no proxies and no AWS settings, as targets' servers.
_KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One original, as listings show it."""

    stage: str
    name: str
    package: str
    about: str


ROWS = (
    NodeRow("encode", "Node bfj", "bfj", "streams token by token; today's release"),
    NodeRow("encode", "Node bfj-2019", "bfj-2019", "the release of the time of the original benchmark"),
    NodeRow(
        "encode", "Node JSONStream", "JSONStream", "one write: a whole JSON.stringify, as in the original benchmark"
    ),
    NodeRow("encode", "Node json-stream-stringify", "json-stream-stringify", "streams in pieces of about 512 bytes"),
    NodeRow("encode", "Node JSON.stringify", "", "whole, the built-in"),
    NodeRow("store", "Node aws-sdk-v2", "aws-sdk", "no kept connections, 50 sockets by default; raised to 20,480"),
    NodeRow("store", "Node aws-sdk-v3", "@aws-sdk/client-s3", "keeps connections, 50 sockets by default"),
)


class NodeError(PackhorseError):
    """The Node worker answered with an error, died or fell silent; the text says which and what it said."""


def default_folder() -> Path:
    """``benches/node`` of the checkout that this package stands in, or of the current folder."""
    here = Path(__file__).resolve().parents[3] / "benches" / "node"
    return here if (here / "worker.js").is_file() else Path("benches/node")


def pinned(folder: Path) -> dict[str, str]:
    """Package → exact version, from ``package.json``; aliases (``npm:bfj@7.0.2``) give the aliased version."""
    manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    return {name: str(version).rpartition("@")[2] for name, version in manifest["dependencies"].items()}


def unavailable(folder: Path | None = None) -> str | None:
    """None when the originals can run here; otherwise why not, with the command that changes it."""
    place = folder or default_folder()
    if not (place / "worker.js").is_file():
        return "benches/node is not part of the installed package: run in a checkout of the repository"
    node = shutil.which("node")
    if node is None:
        return f"node was not found on the PATH: install Node {OLDEST_NODE} or newer, then {INSTALL}"
    version = _version(node)
    if version is None or version < OLDEST_NODE:
        return (
            f"node is version {version}, too old for the AWS SDK: install Node {OLDEST_NODE} or newer, then {INSTALL}"
        )
    for name, wanted in pinned(place).items():
        manifest = place / "node_modules" / name / "package.json"
        found = json.loads(manifest.read_text(encoding="utf-8"))["version"] if manifest.is_file() else None
        if found != wanted:
            return f"{name} {wanted} is not installed{f', but {found}' if found else ''}: {INSTALL}"
    return None


@functools.cache
def _version(node: str) -> int | None:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"v(\d+)\.", said)
    return int(match[1]) if match else None


class NodeWorker:
    """A Node process that answers one order at a time. A context; the process is gone afterwards, whatever happens.

    It also ends when this process dies, since its input closes then.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Start it.

        Raises:
            UnavailableError: It cannot run here; says what to do.
        """
        reason = unavailable(folder)
        if reason is not None:
            raise UnavailableError(f"the Node originals cannot run here: {reason}")
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  # closed by close()
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._process = subprocess.Popen(
            [shutil.which("node") or "node", "worker.js"],
            cwd=folder or default_folder(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env=kept | {"AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1", "AWS_EC2_METADATA_DISABLED": "true"},
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ask(self, do: str, **order: Any) -> dict[str, Any]:
        """Have one order done and return its answer.

        Raises:
            NodeError: The order failed, or the process died or fell silent (it is killed then).
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(SILENCE_LIMIT_S, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps({"do": do, **order}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise NodeError(f"the Node worker ended during {do!r} with status {self._process.wait()}: {self._said()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise NodeError(f"Node, {do!r}: {answer['error']}")
        return answer

    def _said(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace").strip()[-300:] or "it said nothing"

    def close(self) -> None:
        """End the process. Idempotent."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._process.stdout.close()
            self._stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:  # do not wait for what it is doing
            self._process.kill()
        self.close()
