"""Options that a project gives once: ``[tool.packhorse.<command>]`` in the current folder's ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from packhorse.errors import InputError, did_you_mean

#: What lets secrets out, sends captures elsewhere or replaces what is stored is said each time: a project's file is not
#: always one's own. The endpoint has a variable of its own, and AWS's configuration.
_EACH_TIME = frozenset({"redact", "redact_rules", "endpoint_url", "ca_file", "apply", "version", "help"})


def project_defaults(commands: Mapping[str, click.Command], folder: Path) -> dict[str, dict[str, Any]]:
    """Defaults by command and option. Empty where there is no ``pyproject.toml`` or nothing of ours in it.

    Tables of other names, and ``gate``, which has rows and margins of its own, are left to whom they belong.

    Raises:
        InputError: The file is no TOML, or a table names an option that its command has not.
    """
    file = folder / "pyproject.toml"
    try:
        ours = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("packhorse", {})
    except (OSError, UnicodeDecodeError):
        return {}
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: not valid TOML: {error}") from error
    found: dict[str, dict[str, Any]] = {}
    for name, table in ours.items() if isinstance(ours, dict) else ():
        if name == "gate" or name not in commands or not isinstance(table, dict):
            continue
        options = {one.name or "" for one in commands[name].params if isinstance(one, click.Option)} - _EACH_TIME
        given = {key.replace("-", "_"): value for key, value in table.items()}
        for key in given.keys() - options:
            where = f"{file.name}: [tool.packhorse.{name}] cannot set {key!r}"
            raise InputError(f"{where}{did_you_mean(key, options)}; it sets {', '.join(sorted(options))}")
        found[name] = given
    return found
