"""Entry point of the ``packhorse`` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; without its libraries, say what to install. Returns the exit status."""
    try:
        from packhorse.cli import run
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        sys.stderr.write("packhorse: the command line needs more libraries: pip install 'packhorse[cli]'\n")
        return 2
    return run()


if __name__ == "__main__":
    sys.exit(main())
