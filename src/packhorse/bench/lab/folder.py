"""A temporary folder that never outlives the process that asked for it, however that ends."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packhorse.bench.lab.server import environment, let_go
from packhorse.bench.lab.watchdog import FOLDER_PREFIX


@contextmanager
def work_folder(name: str) -> Iterator[Path]:
    """A folder for the block, which may hold a user's captures: it goes with the block, and also with this process.

    A watchdog process removes what is left of it where this process dies inside the block, as by SIGKILL, or is
    interrupted while it removes the folder itself.

    Args:
        name: What it is for; the folder is called ``packhorse-<name>-…``.
    """
    directory = tempfile.TemporaryDirectory(prefix=f"{FOLDER_PREFIX}{name}-")
    with _watched(directory.name), directory:
        yield Path(directory.name)


@contextmanager
def _watched(folder: str) -> Iterator[None]:
    watchdog = subprocess.Popen(
        [sys.executable, "-m", "packhorse.bench.lab.watchdog", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,  # Ctrl-C is for the one who asked
    )
    try:
        yield
    finally:
        let_go(watchdog, kill=False)
