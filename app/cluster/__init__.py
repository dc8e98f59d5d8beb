"""The state that policies read: a folder of manifests, or the API server."""
