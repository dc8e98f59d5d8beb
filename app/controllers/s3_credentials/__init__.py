"""The user's storage credentials, merged into the registry's private configuration."""
