"""Code and commands that the documentation shows: read out of it, and checked without being run."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml  # type: ignore[import-untyped]

from packhorse.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "reports" / "README.md"])
#: Programs that blocks may use beside packhorse: Python's, and standard tools.
TOOLS = {
    "pip", "python", "python3", "pytest", "export", "git", "cat", "curl", "grep", "aws", "gzip", "base64", "sha256sum",
    "jq", "apt-get", "npm", "tox", "echo", "exit", "case", "esac", "if", "then", "else", "fi", ".", "sleep",
    "tail", "moto_server",
}  # fmt: skip

#: What runs Python on docs/where-it-runs.md, and in tests/hosts.
HOSTS = {"gunicorn", "uvicorn", "uwsgi", "celery", "rq", "awslambdaric"}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^    .*\n?)+", re.MULTILINE)
_INLINE = re.compile(r"`(packhorse [^`\n]+)`")
_OPERATORS = {";", "&&", "||", "|", "&", "(", ")", ";;"}


@dataclass(frozen=True, slots=True)
class Block:
    """Code on a page; ``language`` is empty where the page names none."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Fenced blocks, and indented ones that begin with a command of ours as shell."""
    text = page.read_text(encoding="utf-8")
    found = [(match.start(), Block(match[1], match[2])) for match in _FENCE.finditer(text)]
    outside = _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]).replace("    ", "   x"), text)
    for match in _INDENTED.finditer(outside):
        code = re.sub("^    ", "", match[0], flags=re.MULTILINE)
        if re.match(r"packhorse |python -m ", code):
            found.append((match.start(), Block("sh", code)))
    return [block for _, block in sorted(found, key=lambda pair: pair[0])]


def commands(text: str) -> Iterator[list[str]]:
    """Simple commands of a shell block, without redirections; comments are left out."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>()")
        lexer.whitespace_split = True
        words: list[str] = []
        tokens = iter(list(lexer))
        for token in tokens:
            if token in _OPERATORS:
                if words:
                    yield words
                words = []
            elif token in {">", "<", ">>"}:
                next(tokens, None)
            else:
                words.append(token)
        if words:
            yield words


def program(words: list[str]) -> tuple[str, list[str]]:
    """What a command runs, settings of its environment and the way to it left out, and its arguments."""
    while words and re.fullmatch(r"\w+=.*", words[0], re.DOTALL):
        words = words[1:]
    return (words[0].removeprefix(".venv/bin/"), words[1:]) if words else ("", [])


def files_shown(page: Path) -> frozenset[str]:
    """Files that a page shows whole: their block begins with their name."""
    return frozenset(re.findall(r"^```python\n# (\S+\.py)$", page.read_text(encoding="utf-8"), re.MULTILINE))


def wrong_block(block: Block, files: frozenset[str] = frozenset()) -> str:
    """What is wrong with a block, by its language alone; empty when nothing is. ``files`` are there, too."""
    try:
        if block.language in {"sh", "bash"}:
            ended = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
            return ended.stderr or next(
                filter(None, (wrong_command(words, files) for words in commands(block.text))), ""
            )
        if block.language == "python":
            compile(block.text, "block", "exec")
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language in {"yaml", "yml"}:
            yaml.safe_load(block.text)
        elif block.language == "json":
            json.loads(block.text)
    except (SyntaxError, ValueError, yaml.YAMLError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def wrong_command(words: list[str], files: frozenset[str] = frozenset()) -> str:
    """What is wrong with a command: an unknown program, command, option or value, extra, module or script."""
    name, arguments = program(words)
    if name == "packhorse":
        return _wrong_arguments(arguments)
    if name == "pip" and arguments[:1] == ["install"]:
        return next(filter(None, map(_wrong_requirement, arguments[1:])), "")
    if name in {"python", "python3"} and arguments[:1] == ["-m"]:
        missing = arguments[1] not in {"venv", "pip", *HOSTS} and importlib.util.find_spec(arguments[1]) is None
        return f"no module {arguments[1]}" if missing else ""
    if name in {"python", "python3"} and arguments and arguments[0].endswith(".py"):
        return "" if arguments[0] in files or (ROOT / arguments[0]).is_file() else f"no file {arguments[0]}"
    known = not name or name in TOOLS or name in HOSTS or name.endswith(")") or re.fullmatch(r"[\d*]+|status", name)
    return "" if known else f"no program {name}"


def _wrong_arguments(arguments: list[str]) -> str:
    command: click.Command = cli
    while isinstance(command, click.Group):
        if not arguments or arguments[0] not in command.commands:
            return "" if arguments in (["--help"], ["--version"]) else f"no command in {arguments}"
        command, arguments = command.commands[arguments[0]], arguments[1:]
    try:
        command.make_context(command.name, list(arguments))
    except click.exceptions.Exit:
        return ""
    except click.ClickException as error:
        return f"{command.name}: {error.format_message()}"
    return ""


def _wrong_requirement(word: str) -> str:
    extras = re.fullmatch(r"(?:packhorse|\.)\[([\w,]+)\]", word)
    if extras is None:
        return ""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    return next((f"no extra {extra}" for extra in extras[1].split(",") if extra not in known), "")


def wrong_mentions(page: Path) -> list[str]:
    """Commands in running text whose subcommand or options do not exist; their arguments may be placeholders."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return [f"{match[1]}: {wrong}" for match in _INLINE.finditer(text) if (wrong := _wrong_mention(match[1]))]


def _wrong_mention(mention: str) -> str:
    words = mention.split()[1:]
    command: Any = cli
    while isinstance(command, click.Group) and words:
        if words[0].startswith("-"):
            break
        if words[0] not in command.commands:
            return f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    used = {part for word in words for part in re.findall(r"(?<![\w-])--?[a-z][\w-]*", word)}
    return ", ".join(f"no option {option}" for option in sorted(used - options - {"-h", "--help", "--version"}))
