"""Config/cluster for tests: the examples of Registry v2's configuration page, and any other."""

from typing import Any, Literal

import yaml

from app.model.domain import ApiDomain
from app.model.registry import Config
from app.policy import registry_config
from app.policy.verdict import Verdict

_EXAMPLES = {
    "emptyDir": """\
apiVersion: imageregistry.operator.alauda.io/v1
kind: Config
metadata:
  name: cluster
spec:
  managementState: Managed
  replicas: 1
  storage:
    emptyDir: {}
  resources:
    requests:
      cpu: 500m
      memory: 500Mi
    limits:
      cpu: 500m
      memory: 500Mi
""",
    "pvc": """\
apiVersion: imageregistry.operator.alauda.io/v1
kind: Config
metadata:
  name: cluster
spec:
  managementState: Managed
  replicas: 1
  storage:
    managementState: Unmanaged
    pvc:
      claim: image-registry
  resources:
    requests:
      cpu: 500m
      memory: 500Mi
    limits:
      cpu: 500m
      memory: 500Mi
""",
    "s3": """\
apiVersion: imageregistry.operator.alauda.io/v1
kind: Config
metadata:
  name: cluster
spec:
  managementState: Managed
  replicas: 2
  storage:
    managementState: Unmanaged
    s3:
      bucket: <bucket-name>
      region: <region>
      regionEndpoint: https://<s3-endpoint>
      trustedCA:
        name: <trusted-ca-configmap>
  disableRedirect: true
""",
    "imagePullSecret": """\
apiVersion: imageregistry.operator.alauda.io/v1
kind: Config
metadata:
  name: cluster
spec:
  managementState: Managed
  imagePullSecret:
    managementState: Managed
    additionalRegistryHosts:
      - registry.example.com
    ignoredNamespaces:
      - kube-public
    ignoreSystemNamespaces: true
""",
}

EXAMPLES = tuple(_EXAMPLES)


def example(name: str) -> dict[str, Any]:
    """A fresh copy of one of the page's examples, as printed."""
    content: dict[str, Any] = yaml.safe_load(_EXAMPLES[name])
    return content


def config(spec: object, **metadata: object) -> dict[str, Any]:
    """A Config/cluster with this spec."""
    return {
        "apiVersion": "imageregistry.operator.alauda.io/v1",
        "kind": "Config",
        "metadata": {"name": "cluster", **metadata},
        "spec": spec,
    }


def check(
    new: dict[str, Any],
    old: dict[str, Any] | None = None,
    *,
    domain: str = "alauda.io",
    images_exist: bool = True,
    guard: Literal["warn", "deny"] = "deny",
) -> Verdict:
    """The verdict on creating a Config, or on updating an old one to it."""
    return registry_config.check(
        Config.model_validate(new),
        None if old is None else Config.model_validate(old),
        domain=ApiDomain(domain),
        images_exist=images_exist,
        data_loss_guard=guard,
    )


def check_spec(spec: object) -> Verdict:
    """The verdict on creating a Config/cluster with this spec."""
    return check(config(spec))


def reasons(verdict: Verdict) -> list[str]:
    return [violation.reason for violation in verdict.violations]
