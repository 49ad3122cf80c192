"""``packhorse candidates``."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.table import Table

from packhorse.bench.node import ROWS, NodeRow, unavailable
from packhorse.cli.safe_stream import plain_console
from packhorse.stages import registry
from packhorse.stages.registry import Availability


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def candidates(*, as_json: bool) -> None:
    """List every candidate of every stage, with versions, or the reason why it cannot be used here."""
    states = [registry.availability(row) for row in registry.candidates()]
    reason = unavailable()
    if as_json:
        node = [_node_as_json(row, reason) for row in ROWS]
        click.echo(json.dumps([*(_as_json(state) for state in states), *node], indent=2))
        return
    table = Table(title="Candidates", header_style="bold", title_justify="left")
    for column in ("stage", "name", "settings", "wire", "streams", "version", "core", "about"):
        table.add_column(column, overflow="fold")
    for state in states:
        row = state.candidate
        settings = ", ".join(f"{setting.name}={setting.default}" for setting in row.settings)
        versions = ", ".join(state.versions.values()) or "stdlib"
        about = row.about if state.available else f"unavailable: {state.reason}"
        streams = "yes" if row.streaming else "no"
        cells = (row.stage.value, row.name, settings, row.wire, streams, versions, state.core_version or "", about)
        table.add_row(*cells, style=None if state.available else "dim")
    for original in ROWS:  # not to be written in a pipeline: they race in `packhorse study node`
        about = f"{original.about} (packhorse study node)" if reason is None else f"unavailable: {reason}"
        table.add_row(original.stage, original.name, "", "", "", "", "", about, style=None if reason is None else "dim")
    plain_console(width=None if plain_console().is_terminal else 200).print(table)


def _node_as_json(row: NodeRow, reason: str | None) -> dict[str, Any]:
    return {
        "stage": row.stage,
        "name": row.name,
        "wire": "",
        "streaming": False,
        "about": row.about,
        "settings": [],
        "available": reason is None,
        "reason": reason,
        "versions": {},
        "core_version": None,
        "extra": "",
    }


def _as_json(state: Availability) -> dict[str, Any]:
    row = state.candidate
    return {
        "stage": row.stage.value,
        "name": row.name,
        "wire": row.wire,
        "streaming": row.streaming,
        "about": row.about,
        "settings": [
            {"name": s.name, "default": s.default, "kind": s.kind, "low": s.low, "high": s.high} for s in row.settings
        ],
        "available": state.available,
        "reason": state.reason,
        "versions": dict(state.versions),
        "core_version": state.core_version,
        "extra": row.extra,
    }
