"""Runs a recipe of docs/where-it-runs.md in its real host, and finds out what became of every capture.

A recipe is a section of the page: its ``python`` and ``ini`` blocks, whose first line names their file, and its ``sh``
blocks, which start the host. They run as written, but for ports and, without a spool, the argument that names one.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from packhorse.uploader.spool.files import SpooledFile
from tests.hosts.slow_s3 import SlowS3

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "where-it-runs.md"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"[#;] (\S+\.\w+)\n")
_COUNTED = re.compile(r"(\d+) captures? (?:was|were) not uploaded")
#: What is installed for hosts stands beside the interpreter of the tests, also when its folder is not in PATH.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
INSTALL = "pip install -r tests/hosts/requirements.txt"


def requires(*programs: str) -> pytest.MarkDecorator:
    """Skip a test where one of these programs or modules (with a dot before it) is not there."""
    missing = [name for name in programs if not _found(name)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}; {INSTALL}")


def _found(name: str) -> bool:
    if not name.startswith("."):
        return shutil.which(name, path=PATH) is not None
    from importlib.util import find_spec

    return find_spec(name[1:]) is not None


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of captures, as told by S3's ledger, the disk and the host's log: the uploader itself is not asked.

    Attributes:
        handed_in: How many there were.
        stored: Keys in S3.
        spooled: Keys on disk that are not in S3.
        counted: How many the log tells of as not uploaded.
    """

    handed_in: int
    stored: frozenset[str]
    spooled: frozenset[str]
    counted: int

    @property
    def lost(self) -> int:
        """Neither in S3 nor on disk."""
        return self.handed_in - len(self.stored | self.spooled)

    @property
    def uncounted(self) -> int:
        """Lost, and nobody was told. Of those that were on the wire nobody knows: told of, they may be stored."""
        return max(0, self.lost - self.counted)

    def __str__(self) -> str:
        return (
            f"{self.handed_in} handed in, {len(self.stored)} stored, {len(self.spooled)} spooled, "
            f"{self.lost} lost, {self.uncounted} uncounted"
        )


class Host:
    """A folder with a recipe's files, its environment, and the S3 that its captures go to."""

    def __init__(self, folder: Path, s3: SlowS3, *, spool: bool = True) -> None:
        self.folder = folder
        self.s3 = s3
        self.spool = spool
        self.instead: dict[str, str] = {} if spool else {', spool_dir="spool"': ""}
        self.log = folder / "host.log"
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")} | {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": s3.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "PATH": PATH,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(folder)]),
            "PYTHONUNBUFFERED": "1",
        }

    def here(self, text: str) -> str:
        """``text`` with what differs here."""
        for shown, mine in self.instead.items():
            text = text.replace(shown, mine)
        return text

    def prepare(self, heading: str, **replaced: str) -> list[str]:
        """Write the files of the section ``heading``; returns its commands."""
        commands = []
        for language, text in blocks(heading):
            for shown, mine in replaced.items():
                text = text.replace(shown, mine)  # noqa: PLW2901  # the same block
            if language == "sh":
                commands += [line for line in self.here(text).splitlines() if not line.startswith("pip ")]
            elif named := _NAMED.match(text):
                (self.folder / named[1]).write_text(self.here(text), encoding="utf-8")
        return commands

    def port(self, shown: str) -> int:
        """A free port, which stands in for the one in ``shown`` (host:port) from now on."""
        with socket.create_server(("127.0.0.1", 0)) as found:
            port: int = found.getsockname()[1]
        self.instead[shown] = f"{shown.partition(':')[0]}:{port}"
        return port

    def run(self, command: str, *, timeout_s: float = 120.0) -> int:
        """Run to its end; returns the exit status, negative for a signal."""
        with self.log.open("ab") as log:
            done = subprocess.run(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, timeout=timeout_s, check=False,
            )  # fmt: skip
        return done.returncode

    @contextmanager
    def running(self, command: str, *, end: signal.Signals = signal.SIGTERM) -> Iterator[subprocess.Popen[bytes]]:
        """A service, until the block ends; then it gets the signal, and a minute to end."""
        with (
            self.log.open("ab") as log,
            subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            ) as process,
        ):  # fmt: skip
            try:
                yield process
                process.send_signal(end)
                process.wait(60)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def said(self) -> str:
        """The host's log."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def fates(self, handed_in: int) -> Fates:
        """Of all captures, now that the host has ended."""
        stored = frozenset(self.s3.stored)
        spooled = {_key(path) for path in self.folder.rglob("*.capture")}
        counted = sum(int(count) for count in _COUNTED.findall(self.said()))
        return Fates(handed_in, stored, frozenset(spooled) - stored, counted)


def _key(path: Path) -> str:
    file = SpooledFile(path)
    for _ in file.chunks():  # raises where it is damaged
        pass
    return file.header.key


def blocks(heading: str) -> list[tuple[str, str]]:
    """Language and text of each block in a section of the page."""
    text = PAGE.read_text(encoding="utf-8")
    start = text.index(f"\n## {heading}\n")
    end = text.find("\n## ", start + 1)
    return _FENCE.findall(text[start : len(text) if end < 0 else end])


def check(fates: Fates, *, spool: bool, said: str) -> None:
    """What holds in every host. ``PACKHORSE_HOSTS_OUT`` names a file that gets a line for each."""
    if record := os.environ.get("PACKHORSE_HOSTS_OUT"):
        with open(record, "a", encoding="utf-8") as file:
            file.write(f"{os.environ.get('PYTEST_CURRENT_TEST', '').partition('::')[2]}: {fates}\n")
    assert fates.uncounted == 0, f"{fates}\n{said}"
    if spool:
        assert fates.lost == 0, f"{fates}\n{said}"


def wait_for(url: str, *, timeout_s: float = 60.0) -> str:
    """The first answer of a service that starts."""
    end_s = time.monotonic() + timeout_s
    while True:
        try:
            return get(url)
        except OSError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.1)


def get(url: str) -> str:
    """One answer."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def no_warnings(said: str, *, but: Mapping[str, str] | None = None) -> None:
    """A host's log has no traceback and no warning of Python's."""
    wrong = [line for line in said.splitlines() if "Traceback" in line or re.search(r"\w+Warning:", line)]
    assert [line for line in wrong if not any(known in line for known in but or ())] == [], said
