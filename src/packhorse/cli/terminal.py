"""What the commands that move files say on a terminal, and how they write to stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from packhorse.cli.safe_stream import Lasting, silence


def shown(value: object) -> str:
    r"""Any text on one line that cannot steer a terminal: what is not printable is written out, as ``\x1b``."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in str(value)
    )


def counted(count: int, noun: str) -> str:
    """``1 value``, ``2 values``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def tell(line: str) -> None:
    """Write a line to stderr; once nobody reads that any more, nowhere."""
    stderr = Lasting(sys.stderr)
    stderr.write(f"{line}\n")
    stderr.flush()


@contextmanager
def writing_stdout() -> Iterator[None]:
    """Flush stdout at the end; a failure names it.

    Raises:
        OSError: It cannot be written. What is still buffered is thrown away, or the interpreter would try it again at
            its end and fail with a status of its own.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads any more: no failure to tell
        raise
    except OSError as error:
        if error.filename is None:
            error.filename = "stdout"
            silence(sys.stdout.fileno())
        raise
