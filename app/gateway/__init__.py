"""A reverse proxy that puts the push checks before any registry."""
