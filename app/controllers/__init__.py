"""Opt-in controllers for tasks that the registry's operator may do as well."""
