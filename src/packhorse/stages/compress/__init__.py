"""Compressors: one small module per library, each with ``make(**settings)`` and ``core_version()``."""
