"""Posts the gate's comment on a pull request, or updates the one that is there. Settings come from the environment."""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from packhorse.race.gate.record import read_gate
from packhorse.report.pr_comment import MARKER, render

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
        found = _ours(f"{root}/{number}/comments")
        if found is None:
            _ask("POST", f"{root}/{number}/comments", {"body": body})
        else:
            _ask("PATCH", f"{root}/comments/{found}", {"body": body})
    except (urllib.error.URLError, ValueError) as error:
        sys.stderr.write(f"packhorse: the comment: {error}\n")
        return 1
    return 0


def _ours(url: str) -> int | None:
    """The comment that an earlier run posted: it starts with the marker."""
    for page in range(1, PAGES + 1):
        comments = _ask("GET", f"{url}?per_page={PAGE}&page={page}")
        for comment in comments:
            if str(comment.get("body", "")).startswith(MARKER):
                return int(comment["id"])
        if len(comments) < PAGE:
            return None
    return None


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
