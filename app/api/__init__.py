"""The HTTP edge: admission reviews, health and metrics."""
