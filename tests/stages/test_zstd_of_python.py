"""The row of ``backports.zstd`` on Python 3.14, whose standard library has that module as ``compression.zstd``."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest
from backports import zstd

from packhorse.stages import candidates
from packhorse.stages.compress import backports_zstd

if sys.version_info >= (3, 14):
    pytest.skip("it is the standard library's own here", allow_module_level=True)


def test_the_row_takes_the_standard_library_from_3_14_on(monkeypatch: pytest.MonkeyPatch) -> None:
    compression = ModuleType("compression")
    compression.zstd = zstd  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "compression", compression)
    monkeypatch.setitem(sys.modules, "backports", None)
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    try:
        codec = importlib.reload(backports_zstd).make(level=3, threads=0)
        assert b"".join(codec.backward(codec.forward([b"capture"]))) == b"capture"
        rows = {row.name: row for row in importlib.reload(candidates).CANDIDATES}
        assert rows["zstd-backports"].dists == ()
    finally:
        monkeypatch.undo()
        importlib.reload(backports_zstd)
        importlib.reload(candidates)
