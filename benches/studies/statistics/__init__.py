"""Simulations that show what the statistics of race and gate can do."""
