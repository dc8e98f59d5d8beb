"""Merges the user's storage credentials into the registry's private configuration."""
