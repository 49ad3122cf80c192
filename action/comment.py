"""Posts the gate's comment on a pull request, or updates the one that is there. Settings come from the environment."""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packhorse.bench.gate.record import read_gate
from packhorse.bench.report.pr_comment import MARKER, render

#: GitHub's REST API: at most 100 comments a page. A pull request with more than 30 pages gets a new comment.
PAGE, PAGES = 100, 30
TIMEOUT_S = 30


def main() -> int:
    """Post or update. Returns 0, or 1 with a line on stderr that never holds the token."""
    repository, number = os.environ["GITHUB_REPOSITORY"], os.environ["PACKHORSE_PULL_REQUEST"]
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or not number.isdecimal():
        sys.stderr.write(f"packhorse: {repository!r} #{number!r} is no pull request\n")
        return 1
    record = read_gate(Path(os.environ["PACKHORSE_OUTPUT"]))
    body = render(record, report_url=os.environ.get("PACKHORSE_RUN_URL") or None)
    root = f"{os.environ.get('GITHUB_API_URL', 'https://api.github.com')}/repos/{repository}/issues"
    try:
        _put(root, number, {"body": body})
    except (urllib.error.URLError, OSError, ValueError) as error:
        sys.stderr.write(f"packhorse: the comment: {error}\n")
        return 1
    return 0


def _put(root: str, number: str, data: dict[str, Any]) -> None:
    for found in _ours(f"{root}/{number}/comments"):
        try:
            _ask("PATCH", f"{root}/comments/{found}", data)
        except urllib.error.HTTPError as error:
            # Another bot's, or deleted since: ours may be further down.
            if error.code not in {403, 404}:
                raise
        else:
            return
    _ask("POST", f"{root}/{number}/comments", data)


def _ours(url: str) -> Iterator[int]:
    """Comments that an earlier run may have posted: they start with the marker, and a bot or we ourselves wrote them.

    Anybody can write a comment with the marker in it; only what a bot wrote, or the token's own user, is updated.
    """
    me: str | None = None
    for page in range(1, PAGES + 1):
        comments = _ask("GET", f"{url}?per_page={PAGE}&page={page}")
        for comment in comments:
            if not str(comment.get("body", "")).startswith(MARKER):
                continue
            author = comment.get("user") or {}
            if author.get("type") != "Bot":
                me = _own_login() if me is None else me
                if not me or author.get("login") != me:
                    continue
            yield int(comment["id"])
        if len(comments) < PAGE:
            return


def _own_login() -> str:
    """Login of the user whose token this is; empty for the token of a workflow, which is no user's."""
    try:
        return str(_ask("GET", f"{os.environ.get('GITHUB_API_URL', 'https://api.github.com')}/user")["login"])
    except (urllib.error.HTTPError, KeyError, TypeError):
        return ""


def _ask(method: str, url: str, data: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - the URL is GitHub's, from the runner's environment
        url,
        method=method,
        data=None if data is None else json.dumps(data).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['PACKHORSE_TOKEN']}",
            "Content-Type": "application/json",
            "User-Agent": "packhorse",
        },
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())
