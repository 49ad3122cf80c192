"""The table of clients and servers in the docs says what they do that are installed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benches import clients
from packhorse.bench.lab.targets import Target

PAGE = Path(__file__).parents[1] / "docs/howto/other-endpoints.md"
_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)
pytestmark = pytest.mark.xdist_group("clients")  # the servers, once


@pytest.fixture(scope="module")
def targets() -> Iterator[dict[str, Target | None]]:
    with ExitStack() as opened:
        yield {name: clients.started(name, opened) for name in clients.SERVERS}


def told() -> dict[tuple[str, str], dict[str, str]]:
    rows = [match[1].split(" | ") for match in _ROW.finditer(PAGE.read_text("utf-8"))]
    titles = next(row for row in rows if row[:2] == ["client", "what"])
    whats = {*clients.WHATS, "`If-Match`"}
    cells = (row for row in rows if len(row) == len(titles) and row[1] in whats)
    return {(row[0], row[1]): dict(zip(titles[2:], row[2:], strict=True)) for row in cells}


def test_the_table_has_every_client_and_server() -> None:
    wanted = {(client, what) for client in clients.CLIENTS for what in clients.WHATS} | {("the server", "`If-Match`")}
    assert set(told()) == wanted
    assert all(tuple(row) == clients.SERVERS for row in told().values())
    assert not any("?" in row.values() for row in told().values())


@pytest.mark.long
@pytest.mark.parametrize("client", clients.CLIENTS)
def test_the_table_says_what_is(targets: dict[str, Target | None], client: str) -> None:
    for what in clients.WHATS:
        for server, target in targets.items():
            now = clients.cell(what, client, target)
            assert now in ("?", told()[client, what][server]), f"{what} at {server}: {now}"


@pytest.mark.long
def test_who_heeds_if_match(targets: dict[str, Target | None]) -> None:
    said = told()["the server", "`If-Match`"]
    assert {name: clients.if_match(target) for name, target in targets.items() if target is not None}.items() <= (
        said.items()
    )
