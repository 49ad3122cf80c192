"""Where something is in a capture is told by HAR's own names and by numbers, whatever the capture is."""

from __future__ import annotations

from typing import Any

import pytest

from packhorse import position
from packhorse.position import MOST_STEPS, find, find_loop, raising, show, within


def is_set(value: Any) -> bool:
    return isinstance(value, set)


def test_keys_of_har_are_told_and_no_others() -> None:
    assert show(()) == "$"
    assert show(("log", "entries", 3, "request", "headers", 0, "value")) == "$.log.entries[3].request.headers[0].value"
    assert show(("log", "hunter2", 0, "", "$.log")) == "$.log.*[0].*.*"


def test_a_long_way_is_cut() -> None:
    assert show(("log",) * MOST_STEPS) == "$" + ".log" * MOST_STEPS
    assert show(("log",) * (MOST_STEPS + 1)) == "$" + ".log" * MOST_STEPS + "..."


def test_a_parts_place_becomes_one_of_the_whole() -> None:
    assert within((), None) is None
    assert within((), "$.time") == "$.time"
    assert within(("log", "entries", 1), None) == "$.log.entries[1]"
    assert within(("log", "entries", 1), "$.time") == "$.log.entries[1].time"


@pytest.mark.parametrize(
    ("capture", "path"),
    [
        ({1}, ()),
        ({"a": [1, {2}, {3}]}, ("a", 1)),
        ({"a": ({"b": {"c": {1}}},), "d": {2}}, ("a", 0, "b", "c")),
        ([[], {}, (), [[]], {1}], (4,)),
        ({1: {"x": {2}}}, ("", "x")),
        ({"a": [1, 2]}, None),
        ([], None),
    ],
)
def test_the_first_in_the_order_of_the_text_is_found(capture: Any, path: Any) -> None:
    assert find(capture, is_set) == path


def test_a_search_ends_on_a_loop_and_in_the_deep_and_in_the_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    loop: dict[str, Any] = {"a": []}
    loop["a"] += [loop, {1}]
    assert find(loop, is_set) == ("a", 1)
    assert find_loop(loop) == (("a", 0), None)
    shared = [1]
    assert find_loop([shared, shared]) == ((0, 0), 2)  # twice is not inside itself

    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert find(deep, is_set) is None
    assert find_loop(deep) == ((0,) * (MOST_STEPS + 1), 100_000)

    monkeypatch.setattr(position, "MOST_VALUES", 10)
    assert find(list(range(50)), lambda value: value == 5) == (5,)
    assert find(list(range(50)), lambda value: value == 45) is None


def test_what_is_searched_may_be_hostile() -> None:
    class Hostile(dict[str, Any]):
        def items(self) -> Any:
            raise ValueError("SECRET")

        def __iter__(self) -> Any:
            raise ValueError("SECRET")

    capture = {"a": [10**5000, Hostile(b={1})]}
    assert find(capture, is_set) == ("a", 1, "b")
    assert find(capture, raising) == ("a", 0)
    assert find({"a": Hostile()}, raising) == ("a",)

    def broken(_: Any) -> bool:
        raise ValueError("SECRET")

    assert find(capture, broken) is None
