"""Seeded synthetic captures that look, weigh and compress like recorded ones. See ``docs/captures.md``."""

from packhorse.bench.synth.synthesis import KINDS, sized, synthesize

__all__ = ["KINDS", "sized", "synthesize"]
