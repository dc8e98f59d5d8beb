"""Reads a snapshot of the cluster and finds what is wrong with it."""
