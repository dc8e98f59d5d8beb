"""A client certificate for API servers, and the configuration to show it to webhooks."""

from datetime import UTC, datetime
from pathlib import Path

import yaml

from app.certs import authority, files
from app.certs.authority import KeyPair

CERTIFICATE = "client.crt"
KEY = "client.key"
KUBECONFIG = "webhooks.kubeconfig"
ADMISSION = "admission.yaml"
_PLUGINS = ("ValidatingAdmissionWebhook", "MutatingAdmissionWebhook")
_VERSION = "apiserver.config.k8s.io/v1"


def make(folder: Path, name: str, server: str, mounted: str) -> None:
    """Write a client certificate with the common name `name`, and the configuration that uses it.

    The CA in the folder signs it; one is made if there is none. `server` is the webhook's host, as
    API servers call it. `mounted` is the folder's absolute path for API servers. Raises
    CertificateError.
    """
    now = datetime.now(UTC)

    def sign(signer: KeyPair) -> dict[str, bytes]:
        client = authority.make_client(signer, name, now)
        kubeconfig = f"{mounted.rstrip('/')}/{KUBECONFIG}"
        return {
            KEY: client.key,
            CERTIFICATE: client.certificate,
            KUBECONFIG: yaml.safe_dump(_kubeconfig(server)).encode(),
            ADMISSION: yaml.safe_dump(_admission(kubeconfig)).encode(),
        }

    files.write_signed(folder, now, sign)


def _kubeconfig(server: str) -> dict[str, object]:
    """The paths in a kubeconfig are relative to its folder."""
    user = {"client-certificate": CERTIFICATE, "client-key": KEY}
    return {"apiVersion": "v1", "kind": "Config", "users": [{"name": server, "user": user}]}


def _admission(kubeconfig: str) -> dict[str, object]:
    configuration = {
        "apiVersion": _VERSION,
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": kubeconfig,
    }
    plugins = [{"name": name, "configuration": configuration} for name in _PLUGINS]
    return {"apiVersion": _VERSION, "kind": "AdmissionConfiguration", "plugins": plugins}
