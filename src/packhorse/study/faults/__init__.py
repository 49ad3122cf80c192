"""``packhorse study faults``: the uploader under every fault of the lab, and what it then owes."""

from packhorse.study.faults.report import markdown
from packhorse.study.faults.whole import study

__all__ = ["markdown", "study"]
