"""Entry point of the ``packhorse`` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; without its libraries, say what to install. Returns the exit status."""
    try:
        from packhorse.cli import run
    except ModuleNotFoundError as error:
        from packhorse import __version__
        from packhorse.missing import lacking

        if sys.argv[1:] == ["--version"]:
            sys.stdout.write(f"packhorse, version {__version__}\n")
            return 0
        line = lacking(error, None)
        if line is None:
            raise
        sys.stderr.write(f"packhorse: {line}\n")
        return 2
    return run()


if __name__ == "__main__":
    sys.exit(main())
