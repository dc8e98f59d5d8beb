"""The state that policies read, from a folder of manifests or from the API server."""
