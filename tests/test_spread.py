"""The tests of a group run in one process, whatever versions of pytest and of pytest-xdist meet."""

from __future__ import annotations

import pytest

_SEEN: list[int] = []


@pytest.mark.xdist_group("spread")
@pytest.mark.parametrize("number", range(4))
def test_a_group_stays_together(number: int, request: pytest.FixtureRequest) -> None:
    _SEEN.append(number)
    own = [item for item in request.session.items if item.name.startswith("test_a_group_stays_together[")]
    if own[-1] is request.node:
        assert len(_SEEN) == len(own)
