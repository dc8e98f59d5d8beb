"""Settings, logs and the event loop of a process."""
