"""What a command lacks, in one line: the library that is not installed, and the command that installs it."""

from __future__ import annotations

#: The extra with everything that a command needs. The others need no more than the command line itself.
_EXTRAS = {"race": "race", "judge": "race", "publish": "race", "report": "race", "gate": "race", "study": "bench"}
_OWN = {"packhorse", "benches"}


def lacking(error: ModuleNotFoundError, command: str | None) -> str | None:
    """The line for a library that ``command`` could not import; None when the module is one of packhorse's own."""
    library = (error.name or "").partition(".")[0]
    if not library or library in _OWN:
        return None
    who = f"packhorse {command}" if command else "the command line"
    extra = _EXTRAS.get(command or "", "cli")
    return f"{who} needs {library}, which is not installed: pip install 'packhorse[{extra}]'"
