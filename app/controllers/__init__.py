"""Opt-in controllers: what the registry's operator may already do, done once and by one."""
