"""The files that the API server of the tests reads at its start: key, tokens, certificate."""

from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.certs import client

AUDITED_NAMESPACES = ["mode-enforce", "mode-warn", "mode-audit"]
CLIENT = "client"
"""Folder with the client certificate and the configuration that uses it."""


def write_service_account_key(folder: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "service-account.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


def write_audit_policy(folder: Path, user: str) -> None:
    """Log all requests of this user, and the requests of all users in some namespaces."""
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "Metadata", "users": [user]},
            {"level": "Metadata", "namespaces": AUDITED_NAMESPACES},
            {"level": "None"},
        ],
    }
    (folder / "audit.yaml").write_text(yaml.safe_dump(policy))


def write_client_certificate(folder: Path, name: str) -> None:
    """Make the API server show a client certificate to every webhook that asks for one."""
    client.make(folder / CLIENT, name, "*", str(folder / CLIENT))


def write_kubeconfig(path: Path, url: str, authority: Path, token: str) -> None:
    """A kubeconfig for the owner of a token."""
    cluster = {"server": url, "certificate-authority": str(authority)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": cluster}],
        "users": [{"name": "e2e", "user": {"token": token}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
        "current-context": "e2e",
    }
    path.write_text(yaml.safe_dump(config))
