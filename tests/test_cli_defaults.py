"""Options given once, examples in every help, and completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from packhorse.cli import cli, run
from packhorse.cli.examples import EXAMPLES
from packhorse.cli.study import _print


def test_a_variable_a_table_and_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[tool.packhorse.synth]\nentries = 3\nkind = 'api'\n", encoding="utf-8")
    assert run(["synth", "-o", "x.har"]) == 0
    assert "3 entries" in (told := capsys.readouterr().out)
    assert "kind api" in told
    monkeypatch.setenv("PACKHORSE_SYNTH_ENTRIES", "4")
    assert run(["synth", "-o", "x.har"]) == 0
    assert "4 entries" in capsys.readouterr().out
    assert run(["synth", "-o", "x.har", "--entries", "5"]) == 0
    assert "5 entries" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.packhorse.upload]\nprofil = 'x'", "did you mean 'profile'?"),
        ("[tool.packhorse.upload]\nredact = false", "cannot set 'redact'"),
        ("[tool", "not valid TOML"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(text, encoding="utf-8")
    assert run(["synth", "-o", "x.har"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_gate_s_table_and_those_of_others_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[tool.packhorse.gate]\nx = 1\n[tool.packhorse.other]\ny = 1", encoding="utf-8")
    assert run(["synth", "-o", "x.har"]) == 0


def test_a_version_in_the_environment_is_no_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PACKHORSE_VERSION", "1")
    monkeypatch.setenv("PACKHORSE_SYNTH_VERSION", "1")
    assert run(["synth", "-o", "x.har"]) == 0
    assert "entries" in capsys.readouterr().out


@pytest.mark.parametrize("command", cli.commands)
def test_every_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for example in EXAMPLES[command]:
        assert f"packhorse {example}" in lines


def test_the_options_of_examples_exist() -> None:
    for command, examples in EXAMPLES.items():
        known = {one for param in cli.commands[command].params for one in param.opts}
        if command == "captures":
            known |= {"--with", "--against-published"}
        for example in examples:
            words = example.partition(" |")[0].split()
            assert words[0] == command
            assert not [word for word in words if word.startswith("-") and word != "-" and word not in known], example


def test_completion(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from packhorse.cli import run; run([])"]
    environment = {"_PACKHORSE_COMPLETE": "zsh_complete", "COMP_WORDS": "packhorse up", "COMP_CWORD": "1"}

    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert "upload" in done.stdout.split()


def test_a_study_prints_findings_and_json_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    class Reporting:
        @staticmethod
        def markdown(document: dict[str, Any]) -> str:
            return f"{document['name']}: the finding\n"

    result = {"settings": {"seed": 1}, "arms": {"a": {"wall_s": 1.23456, "samples": [1, 2]}}, "order": ["a", "b"]}
    _print(Reporting, {"name": "pools"}, result, as_json=False)
    assert capsys.readouterr().out == "pools: the finding\n"
    _print(object(), {}, result, as_json=False)
    assert capsys.readouterr().out == "arms.a.wall_s: 1.235\norder: a, b\n"
    _print(Reporting, {"name": "pools"}, result, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"arms": {"a": {"wall_s": 1.235}}, "order": ["a", "b"]}


def test_json_where_there_is_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    race = Path(__file__).parent.parent / "reports" / "race-default"
    assert run(["judge", str(race), "--objective", "size", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["objective"] == "size"
    file = tmp_path / "x.har"
    assert run(["synth", "--entries", "9", "-o", str(file)]) == 0
    capsys.readouterr()
    assert run(["captures", "compare", str(file), "--with", str(file), "--no-rank", "--json"]) == 0
    (compared,) = json.loads(capsys.readouterr().out)
    assert compared["rows"]
