"""Takes secrets out of captures before anything is queued, spooled or sent (docs/redaction.md)."""

from packhorse.redact.redactor import Redactor
from packhorse.redact.rules import Rules, RulesError, builtin_rules, load_rules

__all__ = ["Redactor", "Rules", "RulesError", "builtin_rules", "load_rules"]
