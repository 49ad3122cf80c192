"""Benchmarks for pytest-benchmark, one file per stage; the cases are data in cases.py."""
