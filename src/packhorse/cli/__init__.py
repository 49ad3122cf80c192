"""The command line: a thin face over the package. Exit 0 good, 1 a negative verdict, 2 unusable input, 3 unresolved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from packhorse import __version__
from packhorse.cli.captures import captures, synth
from packhorse.cli.defaults import project_defaults
from packhorse.cli.doctor import doctor
from packhorse.cli.examples import ABOUT, epilog
from packhorse.cli.gate import gate
from packhorse.cli.judge import judge
from packhorse.cli.objects import fetch, upload
from packhorse.cli.race import publish, race, report
from packhorse.cli.redacting import redact
from packhorse.cli.registry import candidates
from packhorse.cli.study import study
from packhorse.errors import InputError, PackhorseError, StoreErrorKind, UnavailableError
from packhorse.missing import lacking

EXIT_NEGATIVE = 1
EXIT_INPUT = 2
#: What shells expect of a program ended by Ctrl-C (128 + SIGINT).
EXIT_INTERRUPTED = 130


class _Commands(click.Group):
    """The commands: each takes the project's defaults, and says in one line which library it lacks."""

    def invoke(self, ctx: click.Context) -> Any:
        """As click's own. Raises UnavailableError when a library is not installed, InputError for a wrong default."""
        ctx.default_map = project_defaults(self.commands, Path.cwd())
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            line = lacking(error, ctx.invoked_subcommand)
            if line is None:
                raise
            raise UnavailableError(line) from error


_VERSION = click.version_option(__version__, prog_name="packhorse", allow_from_autoenv=False)


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "auto_envvar_prefix": "PACKHORSE"}


@click.group(cls=_Commands, context_settings=_SETTINGS, epilog=ABOUT)
@_VERSION
def cli() -> None:
    """Find the fastest safe way to get a capture into S3 from Python, and use it."""


for command in (race, judge, gate, report, publish, upload, fetch, redact, synth, captures, candidates, study, doctor):
    command.epilog = epilog(str(command.name))
    cli.add_command(_VERSION(command))


def run(arguments: list[str] | None = None) -> int:  # noqa: PLR0911  # a return for each way to end
    """Run the command line with ``arguments`` (default: ``sys.argv``) and return the exit status."""
    try:
        status = cli.main(arguments, prog_name="packhorse", standalone_mode=False)
    except click.Abort:
        sys.stderr.write("packhorse: interrupted\n")
        return EXIT_INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return EXIT_INPUT
    except click.ClickException as error:
        sys.stderr.write(f"packhorse: {error.format_message()}\n")
        return EXIT_INPUT
    except PackhorseError as error:
        sys.stderr.write(f"packhorse: {error}\n")
        unusable = isinstance(error, InputError) or getattr(error, "kind", None) is StoreErrorKind.CONFIG
        return EXIT_INPUT if unusable else EXIT_NEGATIVE
    except BrokenPipeError:  # the reader of our output went away, as `packhorse candidates | head` does
        sys.stderr.close()
        return EXIT_NEGATIVE
    except OSError as error:
        sys.stderr.write(f"packhorse: {error.filename or 'file'}: {error.strerror or error}\n")
        return EXIT_INPUT
    return status if isinstance(status, int) else 0
