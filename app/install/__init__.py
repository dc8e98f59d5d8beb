"""Renders and applies the manifests."""
