"""Figures that a stranger can repeat: `make bench`. Results are in RESULTS.md."""
