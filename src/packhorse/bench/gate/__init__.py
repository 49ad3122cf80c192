"""The regression gate: base against change, measured interleaved in one run, judged by ``race.stats.gate``."""
