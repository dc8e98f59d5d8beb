"""Fuzz tests: one module per target, run in two ways.

The normal tests try seeds, past findings (corpus/) and some mutations of both. `make fuzz` is
guided by coverage (atheris), and keeps its findings as corpus/TARGET/crash-….
"""
