"""The gate's settings: what is taken, what is refused and how."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from packhorse.bench.gate.config import (
    GateConfig,
    GateRow,
    checked,
    parse_config,
    read_config,
)
from packhorse.bench.gate.run import with_rows
from packhorse.errors import InputError

ROW = {"name": "encode", "call": "shop.captures:encode"}


def test_a_project_without_the_table_has_the_defaults(tmp_path: Path) -> None:
    assert read_config(tmp_path) == GateConfig()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    assert read_config(tmp_path) == GateConfig()


def test_a_whole_table_is_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        """
[tool.packhorse.gate]
blocks = 12
margin = 0.02
install = [".[fast]"]
captures = ["one.har"]
[[tool.packhorse.gate.rows]]
name = "encode"
call = "shop.captures:encode"
[[tool.packhorse.gate.rows]]
name = "upload"
profile = "default"
in_flight = 4
margin = 0.05
"""
    )
    config = read_config(tmp_path)
    assert config.blocks == 12
    assert config.install == (".[fast]",)
    assert config.captures == ("one.har",)
    assert config.rows == (
        GateRow("encode", call="shop.captures:encode", margin_ratio=0.02),
        GateRow("upload", profile="default", in_flight=4, margin_ratio=0.05),
    )
    assert [row.uploads for row in config.rows] == [False, True]
    assert config.margins() == {"encode": 0.02, "upload": 0.05}


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"block": 3}, "unknown field 'block'"),
        ({"blocks": 3}, "blocks is 3"),
        ({"blocks": "20"}, "blocks must be a int"),
        ({"alpha": 0.9}, "alpha is 0.9"),
        ({"sample_s": 0}, "sample_s is 0"),
        ({"install": "."}, "install must be a list"),
        ({"install": [1]}, "install must be a list of strings"),
        ({"rows": [ROW, ROW]}, "two rows are called 'encode'"),
        ({"rows": [{"name": "encode"}]}, "give exactly one of call, pipeline, profile, not 0"),
        ({"rows": [{**ROW, "profile": "default"}]}, "not 2"),
        ({"rows": [{"call": "a:b"}]}, "rows[1]: name is missing"),
        ({"rows": [{**ROW, "call": "shop.captures"}]}, "write module:function"),
        ({"rows": [{**ROW, "margin": 1.5}]}, "margin is 1.5"),
        ({"rows": [{**ROW, "margins": 0.1}]}, "unknown field 'margins'"),
        ({"rows": ["encode"]}, "must be a table"),
        ({"rows": [{"name": "x", "pipeline": "orjson | quick | raw"}]}, "quick"),
        ({"rows": [{"name": "x", "profile": "default", "in_flight": 0}]}, "in_flight is 0"),
        ({"target": "https://minio.example:9000"}, "target must be moto or rclone"),
        ({"target": "aws"}, "target must be moto or rclone"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(table: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_config(table)
    assert named in str(refused.value)


def test_a_refused_target_is_not_repeated() -> None:
    with pytest.raises(InputError) as refused:
        parse_config({"target": "https://key:hush@minio.example"})
    assert "hush" not in str(refused.value)


def test_what_the_command_line_gave_is_not_blamed_on_the_file() -> None:
    config = replace(parse_config({"rows": [ROW]}), blocks=3)
    with pytest.raises(InputError, match=r"^--blocks is 3; it must be"):
        checked(config, options={"blocks": "--blocks"})
    with pytest.raises(InputError, match=r"^pyproject\.toml: tool\.packhorse\.gate: blocks is 3"):
        checked(config)


def test_a_row_that_is_not_there_cannot_be_picked() -> None:
    config = parse_config({"rows": [ROW]})
    assert with_rows(config, ["encode"]) == config
    with pytest.raises(InputError, match="there are encode"):
        with_rows(config, ["decode"])


def test_broken_toml_is_refused_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool")
    with pytest.raises(InputError, match=r"pyproject\.toml"):
        read_config(tmp_path)
