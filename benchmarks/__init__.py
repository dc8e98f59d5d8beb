"""Benchmarks that anybody can repeat with `make bench`. The results are in RESULTS.md."""
