"""What each command's ``--help`` ends with: lines to copy."""

from __future__ import annotations

EXAMPLES = {
    "race": ("race --quick -o out", "race my.har other.har --link cross-region -o out"),
    "judge": ("judge out --objective size", "judge out --objective cost --retention-days 30 -o cheap"),
    "gate": ("gate --base origin/main -o gate", "gate --self-test --quick"),
    "report": ("report out", "report out --study study-pools.json"),
    "publish": ("publish out", "publish out --to mine.toml --require plain"),
    "upload": (
        "upload my.har s3://bucket/debug",
        "upload - s3://bucket/debug --key x.json.gz < my.har",
        "upload -r captures/ s3://bucket/debug --json > uploaded.jsonl",
        "upload 'logs/**/*.har' s3://bucket/debug --dry-run",
    ),
    "fetch": ("fetch s3://bucket/debug/x.json.gz -o my.har", "fetch s3://bucket/debug/x.json.gz | jq .log.entries[0]"),
    "redact": ("redact my.har", "redact my.har -o clean.har", "redact s3://bucket/debug --apply"),
    "synth": ("synth -o my.har", "synth --kind api --entries 500 --seed 7 -o api.har"),
    "captures": ("captures compare a.har --with real/*.har", "captures compare --against-published"),
    "candidates": ("candidates", "candidates --json"),
    "study": ("study pools --quick", "study throughput my.har -o study-throughput.json"),
    "doctor": ("doctor", "doctor --endpoint-url http://127.0.0.1:9000 --json"),
}
#: Of ``packhorse --help``.
ABOUT = """\b
Options given once:
  PACKHORSE_UPLOAD_PROFILE=smallest    a variable for each option of each command
  [tool.packhorse.upload]              the same in ./pyproject.toml: profile = "smallest"
The command line comes first, then the variable, then the file.

\b
Completion, in your shell's startup file:
  eval "$(_PACKHORSE_COMPLETE=bash_source packhorse)"    # bash
  eval "$(_PACKHORSE_COMPLETE=zsh_source packhorse)"     # zsh
  _PACKHORSE_COMPLETE=fish_source packhorse | source     # fish
"""


def epilog(command: str) -> str:
    """The examples of one command, as click prints them unchanged."""
    return "\n".join(["\b", "Examples:", *(f"  packhorse {line}" for line in EXAMPLES[command])])
