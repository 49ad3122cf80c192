"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def appearing(path: Path) -> Iterator[BinaryIO]:
    """A binary file being written beside ``path`` that takes its name only when the block ends well.

    After an exception nothing is left behind and a file that stood at ``path`` is as it was.

    A path that is no regular file (``/dev/stdout``, a named pipe) is written to as it is.

    Raises:
        OSError: The folder is missing or cannot be written.
    """
    if path.exists() and not path.is_file():  # a pipe or a device is written to, never replaced
        with path.open("wb") as file:
            yield file
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # a crash after the rename must not leave an empty file under the name
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the first failure says more; one of its folder would come back here
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename, error.filename2 = str(path), None  # the name that the caller knows
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, so that ``path`` shows the old file or the new one and never a part.

    Raises:
        OSError: The folder is missing or cannot be written.
    """
    with appearing(path) as file:
        file.write(text.encode())
