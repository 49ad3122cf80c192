"""Statistics of the race and the gate: pure functions of arrays. No clock, no I/O, every random choice seeded.

The modules are imported one by one (``from packhorse.bench.stats.paired import log_ratios``), because some of them
bring slow libraries along (``winner_set`` can call ``arch``, ``interval`` calls ``scipy``).
"""
