"""Repository names, manifests, a distribution client and push checks."""
