"""``packhorse study faults``: the uploader under every fault of the lab, and what it then owes."""

from benches.studies.faults.report import markdown
from benches.studies.faults.whole import study

__all__ = ["markdown", "study"]
