"""What is wrong with a registry, found in a snapshot of its cluster: pure checks."""
