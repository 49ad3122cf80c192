"""Base64, or none: one small module per library, each with ``make()`` and ``core_version()``."""
