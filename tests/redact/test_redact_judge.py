"""A secret scanner that had no part in the rules finds nothing in redacted output that it found before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures import manifest
from packhorse.redact import Redactor
from tests.support import check_redaction as checking

detect_secrets = pytest.importorskip("detect_secrets")
from detect_secrets.core.scan import scan_file  # noqa: E402
from detect_secrets.settings import transient_settings  # noqa: E402

#: Detectors that know a secret by its shape or its name. Those that measure disorder alone find every hash and marker.
_PLUGINS = (
    *("ArtifactoryDetector", "AWSKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector", "GitHubTokenDetector"),
    *(
        "GitLabTokenDetector",
        "JwtTokenDetector",
        "MailchimpDetector",
        "NpmDetector",
        "OpenAIDetector",
        "PrivateKeyDetector",
    ),
    *(
        "PypiTokenDetector",
        "SendGridDetector",
        "SlackDetector",
        "SquareOAuthDetector",
        "StripeDetector",
        "TwilioKeyDetector",
    ),
)


def _found(texts: list[str], tmp_path: Path) -> set[str]:
    """What the scanner finds in texts, one a line."""
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(text.replace("\n", " ") for text in texts), "utf-8")
    with transient_settings({"plugins_used": [{"name": name} for name in _PLUGINS]}):
        return {secret.secret_value for secret in scan_file(str(path)) if secret.secret_value}


def _captures() -> Iterator[Any]:
    for kind in ("capture", "protocol-log"):
        for row in manifest.rows(kind):
            yield json.loads((manifest.FOLDER / row["path"]).read_text("utf-8"))
    yield [entry for _, _, entry in checking.planted_entries(600, 17)]


@pytest.mark.parametrize("scanner", ["auto", "plain"])
def test_the_judge_finds_nothing_that_it_found_before(scanner: Any, tmp_path: Path) -> None:
    redactor = Redactor(key=b"test", scanner=scanner)
    before, left = set(), set()
    for capture in _captures():
        texts = list(checking.texts_in(capture))
        found = _found(texts, tmp_path)
        before |= found
        after = list(checking.texts_in(redactor.capture(capture)))
        left |= found & _found(after, tmp_path)
    assert len(before) > 50
    assert not left
