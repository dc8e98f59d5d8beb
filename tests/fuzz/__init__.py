"""Inputs nobody would think of: one module per target, run two ways.

The normal tests try seeds, past findings (corpus/) and some mutations of them; `make fuzz` lets
coverage lead the way (atheris) and keeps what it finds as corpus/TARGET/crash-….
"""
