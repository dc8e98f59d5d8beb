"""ServiceAccounts and Secrets for tests of the controllers, as the API server sends them."""

from typing import Any

from app.cluster.api import Content
from app.controllers.pull_secrets.controller import Options
from app.controllers.pull_secrets.decision import Policy
from app.controllers.pull_secrets.objects import (
    Account,
    Marks,
    PullSecret,
    docker_config,
    seal,
    secret_name,
)
from app.model.domain import ApiDomain
from app.model.registry import Config

MARKS = Marks.of(ApiDomain())
HOSTS = ("registry.svc:5000",)
RIVALS = ("*image-registry-operator*",)
OPTIONS = Options(
    policy=Policy(life=3600, refresh=0.5),
    rate=100_000,
    silence=100,
    internal_hosts=HOSTS,
    system_namespaces=["kube-*"],
    rivals=RIVALS,
)
ISSUED, EXPIRES = "2030-01-01T12:00:00+00:00", "2030-01-01T13:00:00+00:00"
NOON = 1893499200.0
"""The time of ISSUED, in seconds since the epoch."""


def managed(manager: str, operation: str, **fields: Any) -> Content:
    """An entry of managedFields."""
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


def config(state: str = "Managed", /, **image_pull_secret: Any) -> Config:
    spec = {"managementState": state, "imagePullSecret": image_pull_secret}
    return Config.model_validate({"metadata": {"name": "cluster"}, "spec": spec})


def account_content(*pull_secrets: str, **metadata: Any) -> Content:
    return {
        "metadata": {
            "namespace": "team-a",
            "name": "app",
            "uid": "account-uid",
            "resourceVersion": "7",
            **metadata,
        },
        "imagePullSecrets": [{"name": name} for name in pull_secrets],
    }


def account(*pull_secrets: str, **metadata: Any) -> Account:
    return Account.of(account_content(*pull_secrets, **metadata), RIVALS)


NAME = secret_name("team-a", "app")


def secret_content(hosts: tuple[str, ...] = HOSTS, **changes: Any) -> Content:
    """A Secret as the controller writes it, with changes to annotations, metadata or content."""
    data = docker_config(hosts, "token")
    joined = ",".join(hosts)
    annotations = {
        MARKS.account: "app",
        MARKS.hosts: joined,
        MARKS.issued: ISSUED,
        MARKS.expires: EXPIRES,
        MARKS.seal: seal(joined, ISSUED, EXPIRES, data),
        **changes.pop("annotations", {}),
    }
    metadata = {
        "namespace": "team-a",
        "name": NAME,
        "uid": "secret-uid",
        "resourceVersion": "8",
        "annotations": annotations,
        "ownerReferences": [{"kind": "ServiceAccount", "name": "app", "uid": "account-uid"}],
        **changes.pop("metadata", {}),
    }
    return {
        "metadata": metadata,
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": data},
        **changes,
    }


def secret(hosts: tuple[str, ...] = HOSTS, **changes: Any) -> PullSecret | None:
    return PullSecret.of(secret_content(hosts, **changes), MARKS, RIVALS)
