"""Renderings of a gate's record and of its self-test."""
