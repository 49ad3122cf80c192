"""Profiles: published winners, as TOML files with their provenance."""
