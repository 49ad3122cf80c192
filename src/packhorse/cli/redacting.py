"""``packhorse redact``."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import click

from packhorse.captures.read import open_capture
from packhorse.captures.write import write_har
from packhorse.cli.objects import _not_empty
from packhorse.cli.terminal import counted, shown, tell, writing_stdout
from packhorse.errors import InputError
from packhorse.redact import Redactor, load_rules
from packhorse.redact.findings import findings
from packhorse.replacing import Outcome, StoredCaptures
from packhorse.units import format_bytes

_S3 = "s3://"
_INDEX = re.compile(r"\[\d+\]")


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="FILE... | s3://bucket/prefix")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line: each place, or each object.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the redacted copy there.")
@click.option("--apply", is_flag=True, help="Replace what is stored; without it nothing is written.")
@click.option("--redact-rules", type=click.Path(path_type=Path), help="TOML file with further redaction rules.")
@click.option("--endpoint-url", callback=_not_empty, help="S3 endpoint; default: the standard AWS chain.")
def redact(
    targets: tuple[str, ...],
    *,
    as_json: bool,
    output: Path | None,
    apply: bool,
    redact_rules: Path | None,
    endpoint_url: str | None,
) -> int:
    """Say what redaction takes out of captures, by rule and place. Never a value.

    FILE...: nothing is written but the copy that -o names, which appears whole or not at all.

    s3://bucket/prefix: captures that were uploaded before a rule existed. With --apply each one that would change is
    replaced: the new object is stored beside it and read back before it takes the place. Metadata, headers, tags and
    format are kept. What is unchanged, or is no capture of packhorse, is left alone. In a bucket with versioning the
    old versions stay.

    Exit status: 0 done; 1 an object could not be replaced; 2 a file or an option cannot be used.
    """
    redactor = Redactor(load_rules(redact_rules)) if redact_rules is not None else Redactor()
    remote = [target for target in targets if target.startswith(_S3)]
    if remote and (len(targets) > 1 or output is not None):
        raise InputError("an s3:// address stands alone, without -o: its objects are replaced where they are")
    if remote:
        return _stored(remote[0], redactor, endpoint_url, apply=apply, as_json=as_json)
    if apply or endpoint_url is not None:
        raise InputError("--apply and --endpoint-url are for an s3:// address; -o writes the copy of a file")
    if output is not None and len(targets) > 1:
        raise InputError("-o takes one file")
    for name in targets:
        _file(Path(name), redactor, output, as_json=as_json)
    return 0


def _file(file: Path, redactor: Redactor, output: Path | None, *, as_json: bool) -> None:
    totals: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    with open_capture(file) as opened, writing_stdout():
        for rule, place, count in findings(redactor, opened.stream):
            if as_json:
                _print({"file": str(file), "rule": rule, "place": place, "count": count})
            group = rule, _INDEX.sub("[*]", place)
            totals[group] += count
            first.setdefault(group, place)
        if not as_json:
            _table(file, totals, first)
    if output is not None:
        with open_capture(file) as opened:
            size = write_har(redactor.capture(opened.stream), output)
        tell(f"{shown(output)}: {format_bytes(size)}")


def _table(file: Path, totals: Counter[tuple[str, str]], first: dict[tuple[str, str], str]) -> None:
    click.echo(f"{shown(file)}: {counted(totals.total(), 'value')} would go")
    for (rule, place), count in sorted(totals.items(), key=lambda item: (-item[1], item[0])):
        click.echo(f"{count:>8}  {rule:<16} {place}" + (f"  (first: {first[rule, place]})" if "[*]" in place else ""))


def _stored(url: str, redactor: Redactor, endpoint_url: str | None, *, apply: bool, as_json: bool) -> int:
    outcomes: Counter[Outcome] = Counter()
    removed: Counter[str] = Counter()
    with StoredCaptures(url, redactor, endpoint_url=endpoint_url) as stored:
        for one in stored.each(apply=apply):
            outcomes[one.outcome] += 1
            removed.update(one.found)
            address = f"{_S3}{stored.bucket}/{one.key}"
            if as_json:
                _print({"url": address, "outcome": one.outcome, "found": one.found, "reason": one.reason})
            elif one.outcome is Outcome.FAILED:
                tell(f"packhorse: {shown(one.reason)}")
            elif one.found:
                rules = ", ".join(f"{rule} {count}" for rule, count in sorted(one.found.items()))
                click.echo(f"{shown(address)}: {one.outcome} ({rules})")
        tell(", ".join(f"{counted(count, 'object')} {outcome}" for outcome, count in outcomes.items()) or "no objects")
        if outcomes[Outcome.WOULD_REPLACE]:
            tell("nothing was written; --apply replaces them")
        if outcomes[Outcome.REPLACED] and stored.versioned():
            tell("packhorse: warning: the bucket keeps old versions, or does not say: the secrets stay in those")
    return 1 if outcomes[Outcome.FAILED] else 0


def _print(row: dict[str, Any]) -> None:
    click.echo(json.dumps(row))
