from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.bench.report.pr_comment import MARKER, MOST_LINES, render
from tests.bench.report.records import HOSTILE

OUTCOMES = ("passed", "regressed", "unresolved", "inconclusive: environment", "broken", "new")


def row(name: str, outcome: str = "passed", ratio: float = 1.0, **rest: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "margin_ratio": 0.05,
        "outcome": outcome,
        "bytes_out": {"base": 9, "head": 9},
    }
    if outcome in {"broken", "new"}:
        return found | {"error": rest.get("error", "it failed")}
    figures = {"ratio": ratio, "low": ratio * 0.99, "high": ratio * 1.01, "base_s": 0.01, "head_s": 0.01 * ratio}
    return found | figures | {"measurements": 1, "blocks": 9, "noise_floor_ratio": 1.01} | rest


def gate(*rows: dict[str, Any], exit_code: int = 0, name: str = "main") -> dict[str, Any]:
    return {
        "kind": "gate", "schema_version": 1, "command": f"packhorse gate {name}", "base": name, "head": name,
        "machine": {"cpu_model": name, "cores_usable": 2, "python": "3.11"}, "link": "loopback",
        "captures": [{"name": "a"}], "settings": {"blocks": 9, "environments": "one", "seed": 1},
        "rows": list(rows), "exit_code": exit_code,
    }  # fmt: skip


def open_part(text: str) -> str:
    return text[: text.index("<details>")]


def test_what_changed_stands_openly_and_the_rest_is_folded() -> None:
    text = render(gate(row("encode"), row("compress", ratio=0.9), row("put", "regressed", 1.2), exit_code=1))
    assert text.startswith(f"{MARKER}\n### ❌ packhorse gate: Regressed: put.")
    assert "| ❌ | put | 10 ms | 12 ms | +20.0 % [" in open_part(text)
    assert "| ✅ | compress |" in open_part(text)
    assert "encode" not in open_part(text)
    assert "| ✅ | encode |" in text
    assert "<summary>1 unchanged" in text


def test_a_calm_change_says_so_in_a_few_lines() -> None:
    text = render(gate(row("encode"), row("put")))
    assert "### ✅ packhorse gate: Passed" in text
    assert "No row changed" in open_part(text)
    assert open_part(text).count("\n") <= 5


@given(st.lists(st.tuples(st.sampled_from(OUTCOMES), st.floats(0.5, 2)), min_size=1, max_size=120), st.integers(0, 3))
def test_a_comment_is_never_longer_than_it_may_be(found: list[tuple[str, float]], code: int) -> None:
    rows = [
        row(f"row {index}", outcome, ratio, error="long " * 500, bytes_out={"base": 100, "head": 900})
        for index, (outcome, ratio) in enumerate(found)
    ]
    text = render(gate(*rows, exit_code=code), report_url="https://ci.example/1")
    assert text.count("\n") <= MOST_LINES
    assert text.count("<details>") == text.count("</details>") == 1
    assert len(text) < 60_000  # GitHub takes 65,536 characters


def test_what_is_cut_is_counted() -> None:
    text = render(gate(*(row(f"row {index}", "regressed", 1.5) for index in range(40)), exit_code=1))
    shown = len(re.findall(r"^\| ❌ \| row ", text, re.MULTILINE))
    assert f"… and {40 - shown} more in the report." in text


@pytest.mark.parametrize("name", [HOSTILE, "a`b", "|", "\n\n# head", "[x](http://evil.test)", "@everyone"])
def test_hostile_names_are_shown_and_stay_in_their_cells(name: str) -> None:
    text = render(gate(row(name, "regressed", 1.3), row(name), exit_code=1, name=name))
    assert len([line for line in text.splitlines() if line.startswith("#")]) == 1
    assert "<script" not in text
    assert "<img" not in text
    assert not re.search(r"(?<!\\)\]\(", text)
    for line in text.splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) == 8


def test_a_report_is_linked_and_its_address_cannot_break_out() -> None:
    text = render(gate(row("a")), report_url="https://ci.example/1?a=b> [x](y)\n# head")
    assert "[Whole report](<https://ci.example/1?a=b[x](y)#head>)" in text
