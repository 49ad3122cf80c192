"""The list of planted places: how many secrets are left, and how many ordinary samples are changed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from packhorse.redact import Redactor
from tests.support.recall_list import ORDINARY, SHAPES, left, planted

#: Shapes without a literal of four characters to find them by, and places that docs/redaction.md names.
_MOST_SHAPES, _MOST_PLACES = 12, 4


@pytest.fixture(scope="module", params=["auto", "plain"])
def redactor(request: pytest.FixtureRequest) -> Redactor:
    return Redactor(key=b"test", scanner=request.param)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_secrets_of_the_list_are_gone(redactor: Redactor, seed: int) -> None:
    remaining = Counter(one.kind == "token shapes" for one in planted(seed) if left(redactor, one))
    assert remaining[True] <= _MOST_SHAPES
    assert remaining[False] <= _MOST_PLACES


def test_ordinary_samples_stay(redactor: Redactor) -> None:
    changed = [name for name, element in ORDINARY.items() if redactor.entry(element) is not element]
    assert len(changed) <= 2, changed


def test_what_is_written_is_json_and_stays_as_it_is(redactor: Redactor) -> None:
    for one in planted(4):
        new = redactor.encoded(json.dumps(one.element).encode())
        assert redactor.encoded(new) == new, one.element
        assert _shape(json.loads(new)) == _shape(one.element)


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(child) for key, child in value.items()}
    return [_shape(child) for child in value] if isinstance(value, list) else type(value)


def test_each_shape_is_listed_once() -> None:
    assert len(set(SHAPES.values())) == len(SHAPES)
