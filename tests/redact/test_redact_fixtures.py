"""No made-up secret of the recorded fixtures survives redaction, as text or behind base64, percent or JSON encoding."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures import manifest
from packhorse.redact import Redactor
from packhorse.redact.scanner import ScannerName
from tests.support.check_redaction import texts_in

_RECORDED = [row["path"] for kind in ("capture", "protocol-log") for row in manifest.rows(kind)]
_SECRETS = manifest.read()["fake_secrets"]


def _left(value: Any) -> set[str]:
    text = "\n".join(texts_in(value)) + json.dumps(value, ensure_ascii=False)
    return {name for name, secret in _SECRETS.items() if secret in text}


@pytest.mark.parametrize("scanner", ["auto", "plain"])
@pytest.mark.parametrize("path", _RECORDED)
def test_no_fake_secret_is_left(path: str, scanner: ScannerName) -> None:
    recorded = json.loads((manifest.FOLDER / path).read_text("utf-8"))
    assert not _left(Redactor(key=b"test", scanner=scanner).capture(recorded))


def test_the_search_finds_every_fake_secret_in_the_recordings() -> None:
    found = [_left(json.loads((manifest.FOLDER / path).read_text("utf-8"))) for path in _RECORDED]
    assert set().union(*found) == set(_SECRETS)
