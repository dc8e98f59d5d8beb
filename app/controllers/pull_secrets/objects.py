"""The parts of ServiceAccounts and pull secrets that decisions need.

A Secret is reduced to these parts as soon as it is read. No token is kept.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from app.cluster.api import Content
from app.controllers.ownership import mark_of_account, mark_of_secret
from app.model.domain import ApiDomain
from app.model.stored import time_of

MANAGER = "registry-admission-pull-secrets"
"""Our field manager."""
DOCKER_CONFIG_TYPE = "kubernetes.io/dockerconfigjson"
DATA_KEY = ".dockerconfigjson"
EMPTY = b'{"auths":{}}'
"""An empty docker config, which the API server accepts before there is a token."""
_USER = "serviceaccount"
"""The user name of the login. The registry looks only at the token."""


def secret_name(namespace: str, account: str) -> str:
    """The name of a ServiceAccount's pull secret: always the same, and always valid."""
    digest = hashlib.sha256(f"{namespace}/{account}".encode()).hexdigest()[:10]
    return f"{account[:220].rstrip('.-')}-image-pull-{digest}"


@dataclass(frozen=True)
class Marks:
    """The label and annotations that mark our Secrets."""

    label: str
    account: str
    hosts: str
    issued: str
    expires: str
    seal: str

    @classmethod
    def of(cls, domain: ApiDomain) -> "Marks":
        names = ("pull-secret", "service-account", "hosts", "issued", "expires", "seal")
        return cls(*(f"registry-admission.{domain.name}/{name}" for name in names))


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount."""

    namespace: str
    name: str
    uid: str
    version: str
    pull_secrets: tuple[str, ...]
    mark: str
    """The mark of another pull secret controller; "" if there is none."""

    @classmethod
    def of(cls, content: Content, rivals: Sequence[str]) -> "Account":
        metadata = content["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        entries = content.get("imagePullSecrets") or []
        return cls(
            namespace,
            name,
            metadata["uid"],
            metadata["resourceVersion"],
            tuple(entry.get("name", "") for entry in entries),
            mark_of_account(metadata, secret_name(namespace, name), rivals),
        )

    @property
    def title(self) -> str:
        return f"ServiceAccount {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class PullSecret:
    """One of our Secrets. Times are in seconds since the epoch."""

    uid: str
    account: str
    owner: str
    """The uid of the ServiceAccount with which the Secret is deleted; "" if it has no owner."""
    hosts: tuple[str, ...]
    issued: float
    expires: float
    intact: bool
    """Whether content and annotations are as we wrote them."""
    writable: bool
    mark: str
    """The mark of another owner; "" if there is none."""

    @classmethod
    def of(cls, content: Content, marks: Marks, rivals: Sequence[str]) -> "PullSecret | None":
        """The pull secret; None for a Secret that is not ours, such as a copy of one."""
        metadata = content["metadata"]
        annotations = metadata.get("annotations") or {}
        account = annotations.get(marks.account, "")
        if metadata["name"] != secret_name(metadata["namespace"], account):
            return None
        data = (content.get("data") or {}).get(DATA_KEY, "")
        written = (annotations.get(name, "") for name in (marks.hosts, marks.issued, marks.expires))
        hosts, issued, expires = written
        return cls(
            metadata["uid"],
            account,
            _owner(metadata, account),
            tuple(hosts.split(",")) if hosts else (),
            _seconds(issued),
            _seconds(expires),
            annotations.get(marks.seal) == seal(hosts, issued, expires, data),
            content.get("type") == DOCKER_CONFIG_TYPE and not content.get("immutable"),
            mark_of_secret(metadata, MANAGER, rivals),
        )

    @property
    def spread(self) -> float:
        """A fixed number from 0 to 1 for each Secret, which spreads the refreshes."""
        return crc32(self.uid.encode()) / 2**32


def seal(hosts: str, issued: str, expires: str, data: str) -> str:
    """A hash that shows whether a Secret was changed; `data` is in base64."""
    return hashlib.sha256("\n".join((hosts, issued, expires, data)).encode()).hexdigest()


def docker_config(hosts: Sequence[str], token: str) -> str:
    """The `.dockerconfigjson` with a login for each host, in base64."""
    login = {"auth": base64.b64encode(f"{_USER}:{token}".encode()).decode()}
    text = json.dumps({"auths": dict.fromkeys(hosts, login)}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode()


def owner_reference(account: Account) -> Content:
    """The owner reference with which the Secret is deleted together with its ServiceAccount."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "name": account.name,
        "uid": account.uid,
    }


def _owner(metadata: Content, account: str) -> str:
    for reference in metadata.get("ownerReferences") or []:
        if (reference.get("kind"), reference.get("name")) == ("ServiceAccount", account):
            return str(reference.get("uid", ""))
    return ""


def _seconds(text: str) -> float:
    """The time in seconds since the epoch; 0, which is long past, for text that is no time."""
    time = time_of(text)
    return time.timestamp() if time else 0.0
