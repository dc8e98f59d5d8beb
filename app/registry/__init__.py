"""The registry's side: manifests, push checks, a client, and the gateway."""
