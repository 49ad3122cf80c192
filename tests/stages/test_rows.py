"""Rows and modules belong together, and every module keeps the protocol."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import packhorse.stages
from packhorse.stages import registry
from packhorse.stages.base import Candidate
from tests.stages.support import BASE64S, COMPRESSORS, ENCODERS, name

ROOT = Path(packhorse.stages.__file__).parent
ROWS = ENCODERS + COMPRESSORS + BASE64S


def _defines_make(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "make" for node in tree.body)


@pytest.mark.parametrize("folder", ["encode", "compress", "base64"])
def test_every_module_that_makes_something_has_a_row_and_every_row_a_module(folder: str) -> None:
    modules = {f"packhorse.stages.{folder}.{path.stem}" for path in (ROOT / folder).glob("*.py") if _defines_make(path)}
    rows = {row.module for row in ROWS if row.module.startswith(f"packhorse.stages.{folder}.")}
    assert modules == rows


def test_names_are_unique_within_a_stage() -> None:
    keys = [(row.stage, row.name) for row in registry.candidates()]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_make_takes_exactly_the_settings_of_its_row(row: Candidate) -> None:
    module = import_module(row.module)
    parameters = inspect.signature(module.make).parameters
    assert set(parameters) == {setting.name for setting in row.settings}
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())
    version = module.core_version()
    assert version is None or (isinstance(version, str) and version)
    assert module.__doc__
    assert row.about


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_the_library_is_imported_in_its_own_module_alone(row: Candidate) -> None:
    if row.dists:
        assert row.extra
    else:
        assert not row.extra
