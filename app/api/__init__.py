"""HTTP: admission reviews, push checks, health and metrics, and the listener below them."""
