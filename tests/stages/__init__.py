"""Contract tests over every CPU candidate in the registry."""
