"""Plant secrets, redact, search what comes out.

``python -m tests.support.check_redaction --secrets 10000 --seed 1``
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson

from packhorse.redact.redactor import Redactor
from tests.support.plant_secrets import NAMED_PLACES, SHAPED_PLACES, blank_entry, opaque, shaped

#: How encoders write JSON text.
STYLES: dict[str, Callable[[Any], bytes]] = {
    "compact": orjson.dumps,
    "ascii": lambda value: json.dumps(value, separators=(",", ":")).encode(),
    "spaced": lambda value: json.dumps(value, ensure_ascii=False).encode(),
    "indented": lambda value: orjson.dumps(value, option=orjson.OPT_INDENT_2),
    "slashes": lambda value: json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode(),
}
#: Encodings within encodings that the search undoes.
_MAX_LAYERS = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found.

    Attributes:
        planted: Secrets by place.
        left: Secrets found in the output, by place.
        changed_innocent: Entries without secrets that did not come back as the same object.
        innocent: Entries without secrets.
        report: The redactor's counts by rule.
    """

    planted: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    changed_innocent: int = 0
    innocent: int = 0
    report: dict[str, int] = field(default_factory=dict)


def planted_entries(secrets: int, seed: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield place, secret and an entry that holds it, ``secrets`` times, going round all places."""
    rng = random.Random(seed)
    places = [(place, opaque) for place in NAMED_PLACES] + [(place, shaped) for place in SHAPED_PLACES * 2]
    for number in range(secrets):
        place, make = places[number % len(places)]
        entry, secret = blank_entry(number), make(rng)
        place(rng, entry, secret)
        yield place.__name__.strip("_"), secret, entry


def texts_in(value: Any, layers: int = _MAX_LAYERS) -> Iterator[str]:
    """Every text in an object, and what it says when base64, percent or JSON encoding is undone."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield str(key)
            yield from texts_in(child, layers)
    elif isinstance(value, list):
        for child in value:
            yield from texts_in(child, layers)
    elif not isinstance(value, str):
        yield str(value)
    else:
        yield value
        if layers:
            for inner in _decoded(value):
                yield from texts_in(inner, layers - 1)


def _decoded(text: str) -> Iterator[Any]:
    if "%" in text:
        yield unquote(text)
    if text[:1] in ("{", "["):
        with suppress(ValueError):
            yield json.loads(text)
    if len(text) > 15 and len(text) % 4 == 0:
        with suppress(ValueError):
            yield b64decode(text, validate=True).decode()


def run(secrets: int, seed: int, redactor: Redactor | None = None) -> Outcome:
    """Plant, redact, search. Raises RedactionError when an entry cannot be checked."""
    redactor = Redactor() if redactor is None else redactor
    planted: Counter[str] = Counter()
    left: Counter[str] = Counter()
    styles = list(STYLES.items())
    for place, secret, entry in planted_entries(secrets, seed):
        planted[place] += 1
        before = "\n".join(texts_in(entry))
        if secret not in before:
            raise AssertionError(f"{place}: the search does not find what was planted")
        # As an object, and as the text that one of the encoders writes of it.
        style, write = styles[planted.total() % len(styles)]
        for how, new in (("", redactor.entry(entry)), (f" {style}", json.loads(redactor.encoded(write(entry))))):
            if secret in "\n".join(texts_in(new)) or secret in json.dumps(new, ensure_ascii=False):
                left[place + how] += 1
    report = dict(redactor.report())
    innocent = [blank_entry(number) for number in range(secrets)]
    changed = sum(redactor.entry(entry) is not entry for entry in innocent)
    texts = [styles[number % len(styles)][1](entry) for number, entry in enumerate(innocent)]
    changed += sum(redactor.encoded(text) is not text for text in texts)
    return Outcome(planted, left, changed, len(innocent), report)


def _left_at(outcome: Outcome, place: str) -> int:
    return sum(count for name, count in outcome.left.items() if name.partition(" ")[0] == place)


def main(arguments: list[str] | None = None) -> int:
    """Print a table; exit status 1 when a secret is left or an innocent entry was changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secrets", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scanner", choices=("auto", "hyperscan", "plain"), default="auto")
    options = parser.parse_args(arguments)
    outcome = run(options.secrets, options.seed, Redactor(scanner=options.scanner))
    lines = [f"{'place':<16}{'planted':>8}{'left':>6}"]
    lines += [f"{place:<16}{count:>8}{_left_at(outcome, place):>6}" for place, count in sorted(outcome.planted.items())]
    lines.append(f"{'all':<16}{outcome.planted.total():>8}{outcome.left.total():>6}")
    lines.append(f"innocent entries changed: {outcome.changed_innocent} of {outcome.innocent}")
    lines.append("replaced by rule: " + ", ".join(f"{rule} {count}" for rule, count in outcome.report.items()))
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if outcome.left or outcome.changed_innocent else 0


if __name__ == "__main__":
    sys.exit(main())
