"""Reads managed pull secrets from the cluster, and runs a service that manages them."""

import base64
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from .cluster import Cluster
from .domain import DOMAIN, REGISTRY
from .overlays import MANIFESTS, NAMESPACE, apply, kustomize
from .replicas import Replica

LABEL = "registry-admission.alauda.io/pull-secret=true"
HOST = f"image-registry.{REGISTRY}.svc:5000"
CONFIG = f"configs.imageregistry.operator.{DOMAIN}"


@contextmanager
def rights_of(cluster: Cluster, folder: Path, *components: str) -> Iterator[Path]:
    """A kubeconfig with no more rights than the components give to the service."""
    root = os.path.relpath(MANIFESTS.resolve(), folder.resolve())
    content = {
        "resources": [f"{root}/overlays/self-signed"],
        "components": [f"{root}/components/{component}" for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    cluster.kubectl("create", "namespace", REGISTRY, check=False)
    manifests = kustomize(cluster, folder)
    apply(cluster, [one for one in manifests if "Webhook" not in one["kind"]])
    yield cluster.account_kubeconfig(folder / "limited", NAMESPACE, "registry-admission")
    for component in components:
        binding = f"registry-admission-{component}"
        cluster.kubectl("delete", "clusterrolebinding", binding)


def may(cluster: Cluster, verb: str, *target: str) -> bool:
    """Whether the service's ServiceAccount may do something."""
    account = f"--as=system:serviceaccount:{NAMESPACE}:registry-admission"
    answer = cluster.kubectl("auth", "can-i", verb, *target, account, check=False)
    assert answer.stdout.strip() in ("yes", "no"), answer.stderr
    return answer.stdout.strip() == "yes"


def configure(cluster: Cluster, **image_pull_secret: Any) -> None:
    """Config/cluster with this `spec.imagePullSecret`."""
    config = {
        "apiVersion": f"imageregistry.operator.{DOMAIN}/v1",
        "kind": "Config",
        "metadata": {"name": "cluster"},
        "spec": {
            "managementState": "Managed",
            "replicas": 1,
            "storage": {"emptyDir": {}},
            "imagePullSecret": image_pull_secret,
        },
    }
    cluster.kubectl("apply", "--filename=-", input=json.dumps(config))


def unconfigure(cluster: Cluster) -> None:
    cluster.kubectl("delete", CONFIG, "cluster", "--ignore-not-found")


def condition(cluster: Cluster, kind: str) -> tuple[str, str]:
    """Status and message of a condition of Config/cluster; empty ones if it is not there."""
    config = json.loads(cluster.kubectl("get", CONFIG, "cluster", "--output=json").stdout)
    for one in config.get("status", {}).get("conditions", []):
        if one["type"] == kind:
            return one["status"], one["message"]
    return "", ""


def named(cluster: Cluster, namespace: str, account: str = "default") -> list[str]:
    """The pull secrets that a ServiceAccount names."""
    found = cluster.kubectl(
        "get", "serviceaccount", account, f"--namespace={namespace}", "--output=json"
    )
    entries = json.loads(found.stdout).get("imagePullSecrets", [])
    return [entry["name"] for entry in entries]


def secrets(cluster: Cluster, namespace: str = "") -> dict[str, dict[str, Any]]:
    """The managed Secrets of a namespace, or of all, by the name of their ServiceAccount."""
    where = f"--namespace={namespace}" if namespace else "--all-namespaces"
    found = cluster.kubectl("get", "secrets", where, f"--selector={LABEL}", "--output=json")
    return {
        one["metadata"]["annotations"]["registry-admission.alauda.io/service-account"]: one
        for one in json.loads(found.stdout)["items"]
    }


def logins(secret: dict[str, Any]) -> dict[str, str]:
    """The token for each host of a Secret; empty without a token."""
    text = base64.b64decode(secret["data"][".dockerconfigjson"])
    return {
        host: base64.b64decode(entry["auth"]).decode().partition(":")[2]
        for host, entry in json.loads(text)["auths"].items()
    }


def token_of(cluster: Cluster, namespace: str, account: str = "default") -> str:
    """The present token of a ServiceAccount, "" if there is none."""
    secret = secrets(cluster, namespace).get(account)
    return logins(secret).get(HOST, "") if secret else ""


def ours(cluster: Cluster, namespace: str, account: str = "default") -> list[str]:
    """The pull secrets of a ServiceAccount besides the user's own."""
    found = named(cluster, namespace, account)
    if account == "default":
        assert found[0] == "of-the-user", "the user's own entry is never touched"
    return [name for name in found if name != "of-the-user"]


def is_complete(cluster: Cluster, namespace: str) -> bool:
    """Whether the pull secret exists, has a token, and is named by its ServiceAccount."""
    found = secrets(cluster, namespace).get("default")
    name = found["metadata"]["name"] if found else ""
    return bool(token_of(cluster, namespace)) and ours(cluster, namespace) == [name]


def is_gone(cluster: Cluster, namespace: str) -> bool:
    return not secrets(cluster, namespace) and not ours(cluster, namespace)


def objects(replica: Replica, progress: str) -> int:
    """The number of ServiceAccounts in a state, from `/metrics`."""
    found = re.search(rf'controller_objects\{{.*progress="{progress}"\}} (\S+)', replica.metrics())
    return int(float(found[1])) if found else -1


def who(cluster: Cluster, token: str) -> str:
    """The user of a token by TokenReview; "" for an invalid token."""
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token},
    }
    answer = cluster.kubectl("create", "--output=json", "--filename=-", input=json.dumps(review))
    status = json.loads(answer.stdout)["status"]
    return str(status["user"]["username"]) if status.get("authenticated") else ""


def hook(cluster: Cluster, replica: Replica, authority: bytes) -> None:
    """Register the webhook of the component with the address of a replica of the tests."""
    [patch] = yaml.safe_load((MANIFESTS / "components/pull-secrets/webhooks.yaml").read_text())
    webhook = patch["value"]
    webhook["failurePolicy"] = "Fail"
    webhook["timeoutSeconds"] = 10
    webhook["clientConfig"] = {
        "url": f"{replica.url}/mutate",
        "caBundle": base64.b64encode(authority).decode(),
    }
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "service-accounts"},
        "webhooks": [webhook],
    }
    cluster.kubectl("apply", "--filename=-", input=json.dumps(configuration))


def unhook(cluster: Cluster) -> None:
    cluster.kubectl(
        "delete", "mutatingwebhookconfiguration", "service-accounts", "--ignore-not-found"
    )
