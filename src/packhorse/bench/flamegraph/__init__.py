"""Flamegraphs of a pipeline or of a study."""
