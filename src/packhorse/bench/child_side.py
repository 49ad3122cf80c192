"""What a child process does to talk with the process that started it, and to end with it. Standard library alone.

The gate runs this file with the Python of a side, which may hold an older packhorse or none: nothing of ours is
imported.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol

#: The variable that names the pipe whose end says that the parent is gone.
LIFELINE = "PACKHORSE_LIFELINE"


class Connection(Protocol):
    """The child's end: one JSON document a line, both ways."""

    def receive(self) -> Any:
        """The next message. Raises EOFError once there are no more."""
        ...

    def send(self, message: Any) -> None:
        """Send one JSON-able message."""
        ...


class Pipes:
    """A connection over the pipes that the process was started with, kept away from everything that it runs."""

    def __init__(self) -> None:
        # Not inherited by programs that are started here.
        self._commands, self._answers = os.dup(0), os.dup(1)
        self._lines = os.fdopen(self._commands, encoding="utf-8", closefd=False)
        # Whatever a library prints goes to stderr, so that stdout carries nothing but our lines.
        os.dup2(2, 1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)

        def let_go() -> None:
            for pipe in (self._commands, self._answers):
                os.dup2(null, pipe, inheritable=False)

        os.register_at_fork(after_in_child=let_go)

    def receive(self) -> Any:
        """See :class:`Connection`."""
        line = self._lines.readline()
        if not line:
            raise EOFError
        return json.loads(line)

    def send(self, message: Any) -> None:
        """See :class:`Connection`."""
        left = json.dumps(message, default=_plain).encode() + b"\n"
        while left:
            left = left[os.write(self._answers, left) :]


def _plain(value: Any) -> Any:
    """What JSON does not know: msgspec's Structs, as their fields."""
    return {name: getattr(value, name) for name in value.__struct_fields__}


def end_with_parent() -> None:
    """End this process and its group when the parent is gone, however it went: a pipe of its own closes then."""
    pipe = int(os.environ.pop(LIFELINE, "-1"))
    if pipe < 0:
        return
    os.set_inheritable(pipe, False)  # noqa: FBT003 - the function's own way

    def watch() -> None:
        os.read(pipe, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="packhorse-lifeline", daemon=True).start()


def main(target: str) -> int:
    """Run ``module:function`` with the connection, then leave at once: nothing in a child is worth saving."""
    module, _, name = target.partition(":")
    connection = Pipes()
    end_with_parent()
    work: Callable[[Connection], None] = getattr(importlib.import_module(module), name)
    try:
        work(connection)
    except EOFError:
        pass
    except BaseException as error:  # noqa: BLE001 - its last words; the parent makes an error row of them
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
