"""What the API server of the tests reads at its start: a key, and whom it is to others."""

from datetime import UTC, datetime
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.certs.authority import make_authority
from tests.unit.certificates import client_of

CLIENT_CA = "client-ca.crt"


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
    """What this user asks for is written down."""
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": [user]}, {"level": "None"}],
    }
    (folder / "audit.yaml").write_text(yaml.safe_dump(policy))


def write_client_certificate(folder: Path, name: str) -> None:
    """Who the API server is to every webhook that asks."""
    now = datetime.now(UTC)
    signer = make_authority(now)
    (folder / CLIENT_CA).write_bytes(signer.certificate)
    shown = client_of(signer, name, now)
    (folder / "client.crt").write_bytes(shown.certificate)
    (folder / "client.key").write_bytes(shown.key)
    user = {"client-certificate": "client.crt", "client-key": "client.key"}
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "users": [{"name": "*", "user": user}],
    }
    path = folder / "webhooks.kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig))
    version = "apiserver.config.k8s.io/v1"
    configuration = {
        "apiVersion": version,
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": str(path),
    }
    plugins = ("ValidatingAdmissionWebhook", "MutatingAdmissionWebhook")
    admission = {
        "apiVersion": version,
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": name, "configuration": configuration} for name in plugins],
    }
    (folder / "admission.yaml").write_text(yaml.safe_dump(admission))


def write_kubeconfig(path: Path, url: str, authority: Path, token: str) -> None:
    """For the owner of a token."""
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
