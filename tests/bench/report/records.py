"""Records that the tests of reports share: a race of which all is known, and that with hostile text everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from packhorse.bench.race.record import plain, validate
from tests.bench.race.known import race_data

ROOT = Path(__file__).parents[3]
#: Ends elements, comments and strings of every language that a page holds; hides and turns text around.
HOSTILE = (
    "</script><script>window.owned=1</script><img src=x onerror='window.owned=2'><!--<script>{{7*7}}{%x%}"
    '"onclick="window.owned=3" javascript:alert(1) https://evil.test/x \u2028\u2029\u202e\u200b\x07]]>&lt;b&gt;\''
)
#: Studies that the page draws.
DRAWN = ("load", "parallelism", "pools", "regimes")
#: Texts that are enumerated in the schema or are hashes, and what is not shown.
_KEPT = {"role", "way", "phase", "objective", "word", "sha256", "from_objective"}


def published() -> dict[str, Any]:
    """A race's record as today's packhorse writes it, a copy of one's own; without what was raced for text alone."""
    record = race_data()
    record["results"] = [row for row in record["results"] if not row["for_text"]]
    return record


def hostile() -> dict[str, Any]:
    """The same with :data:`HOSTILE` after every text; errors, disturbed rounds and missing candidates, too."""
    record = published()
    record["errors"] = [{"phase": "finals", "arm": "a", "error": "failed"}]
    record["unavailable"] = [{"stage": "encode", "name": "a", "reason": "missing"}]
    return plain(validate(_marked(record), source="hostile"))


def studies() -> list[dict[str, Any]]:
    """The published records of studies that the page draws."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((ROOT / "reports").glob("study-*.json"))]
    return [record for record in found if record.get("name") in DRAWN]


def few(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Some rows of each study: enough for a plot of every kind, quick to draw and to check."""
    made = []
    for record in records:
        short = dict(record)
        for key, kept in (("samples", 12), ("cells", 12), ("findings", 2)):
            if isinstance(record.get(key), list):
                short[key] = record[key][:kept]
        made.append(short)
    return made


def hostile_studies() -> list[dict[str, Any]]:
    """Some of each, with :data:`HOSTILE` after every text, names of rows and ways included."""
    made = []
    for record in few(studies()):
        marked = _marked(record)
        for key in ("levels", "rows"):
            if isinstance(marked.get(key), dict):
                marked[key] |= {name + HOSTILE: found for name, found in marked[key].items()}
        made.append({**marked, "name": record["name"], "kind": "study"})
    return made


def _marked(value: Any, key: str = "") -> Any:
    if isinstance(value, str) and key not in _KEPT:
        return value + (HOSTILE.replace("/", "∕") if key == "name" else HOSTILE)
    if isinstance(value, list):
        return [_marked(item, key) for item in value]
    if isinstance(value, dict):
        return {name: _marked(item, name) for name, item in value.items()}
    return value
