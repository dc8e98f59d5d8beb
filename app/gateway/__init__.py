"""A reverse proxy that holds pushes to any OCI registry against limits."""
