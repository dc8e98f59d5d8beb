"""End-to-end tests: a real API server, etcd and controllers, without nodes."""
