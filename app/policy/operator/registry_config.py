"""Checks of Config/cluster: settings that the operator cannot or should not apply."""

from app.model.domain import ApiDomain
from app.model.registry import Config, ConfigSpec, ImagePullSecret
from app.model.volumes import PersistentVolumeClaim
from app.policy.names import host_of, is_label, placeholders, without_credentials
from app.policy.operator import (
    placement,
    registry_data_loss,
    registry_storage,
    registry_traffic,
    resources,
    storage_references,
    topology_spread,
)
from app.policy.operator.field_checks import (
    LOG_LEVELS,
    check_at_least_zero,
    check_choice,
    check_name,
    check_placeholders,
    shown,
)
from app.policy.operator.registry_data_loss import DataLossGuard
from app.policy.operator.storage_references import Referenced
from app.policy.verdict import Verdict

_HOSTS = "spec.imagePullSecret.additionalRegistryHosts"
_NAMESPACES = "spec.imagePullSecret.ignoredNamespaces"
_NODE_NAME = "kubernetes.io/hostname"


def check(
    config: Config,
    old: Config | None,
    *,
    domain: ApiDomain,
    images_exist: bool,
    data_loss_guard: DataLossGuard,
    registry_namespace: str = "",
    referenced: Referenced | None = None,
    strict: bool = False,
) -> Verdict:
    """Check a Config against the rules that its schema does not hold, and an update against data
    loss.

    `old` is the object before an update, None on create. `images_exist` tells whether the cluster
    has images that could be lost. `registry_namespace`: by default, that of the domain.
    `referenced` are the objects that the Config refers to, None if they were not read. `strict`
    refuses references to unusable objects.
    """
    verdict = Verdict()
    spec = config.spec
    check_name(verdict, config)
    check_placeholders(verdict, spec)
    _check_choices(verdict, spec)
    check_at_least_zero(verdict, "InvalidReplicas", "spec.replicas", spec.replicas)
    before = old.spec if old else None
    claim_known = referenced is not None and isinstance(referenced.claim, PersistentVolumeClaim)
    verdict.include(
        registry_storage.check(
            spec,
            before,
            domain=domain,
            namespace=registry_namespace or domain.registry_namespace,
            claim_known=claim_known,
        )
    )
    if referenced is not None:
        found = storage_references.check(spec, referenced)
        refuses = strict and (before is None or _refers_anew(spec, before))
        verdict.include(found if refuses else found.tolerant())
    _check_pull_secret(verdict, spec.image_pull_secret)
    registry_traffic.check(verdict, spec)
    resources.check(verdict, spec.resources)
    placement.check(verdict, spec)
    topology_spread.check(verdict, spec.topology_spread_constraints)
    _check_service(verdict, spec)
    if old is not None and images_exist:
        verdict.include(registry_data_loss.check(config, old, domain=domain, guard=data_loss_guard))
    return verdict


def _refers_anew(spec: ConfigSpec, old: ConfigSpec) -> bool:
    """Whether an update changes what the findings are about. Any other update must pass."""
    before = (old.storage, old.replicas, old.rollout_strategy)
    after = (spec.storage, spec.replicas, spec.rollout_strategy)
    return before != after or old.management_state == "Removed"


def _check_choices(verdict: Verdict, spec: ConfigSpec) -> None:
    def hold(reason: str, path: str, value: str, *known: str) -> None:
        check_choice(verdict, reason, f"spec.{path}", value, known)

    states = ("Managed", "Unmanaged", "Removed")
    secret = spec.image_pull_secret.management_state
    hold("UnknownManagementState", "managementState", spec.management_state, *states, "Force")
    hold("UnknownManagementState", "imagePullSecret.managementState", secret, *states)
    strategies = ("Recreate", "RollingUpdate")
    hold("UnknownRolloutStrategy", "rolloutStrategy", spec.rollout_strategy, *strategies)
    hold("UnknownLogLevel", "logLevel", spec.log_level, *LOG_LEVELS)
    hold("UnknownLogLevel", "operatorLogLevel", spec.operator_log_level, *LOG_LEVELS)


def _check_service(verdict: Verdict, spec: ConfigSpec) -> None:
    """Warn about a registry that serves less than it seems to."""
    if spec.management_state == "Force":
        verdict.warn(
            "spec.managementState is Force, and the operator does nothing: set it to Managed"
        )
    if spec.management_state not in ("", "Managed"):
        return
    if spec.replicas == 0:
        verdict.warn("spec.replicas is 0: no push and no pull succeeds until it is 1 or more")
    if spec.replicas == 2 and spec.affinity is None and _NODE_NAME in spec.node_selector:
        verdict.warn(
            "spec.replicas is 2 and spec.nodeSelector names one node, and the operator runs two "
            "Pods on different nodes: set spec.replicas to 1, or spec.affinity"
        )
    if spec.read_only:
        verdict.warn("spec.readOnly is true: every push is refused, and pruning frees no storage")


def _check_pull_secret(verdict: Verdict, pull_secret: ImagePullSecret) -> None:
    hosts = pull_secret.additional_registry_hosts
    for index, host in enumerate(hosts):
        if host_of(host) is None and not placeholders(host):
            verdict.deny(
                "InvalidRegistryHost",
                f"{_HOSTS}[{index}] is {shown(without_credentials(host))}, not host[:port]",
                f"write it without scheme and path, such as {_host_like(host)}",
            )
    for host in registry_traffic.repeated(hosts):
        verdict.deny(
            "DuplicateRegistryHost",
            f"{_HOSTS} has {shown(without_credentials(host))} more than once",
            "keep one of them",
        )
    for index, namespace in enumerate(pull_secret.ignored_namespaces):
        if not is_label(namespace) and not placeholders(namespace):
            verdict.deny(
                "InvalidIgnoredNamespace",
                f"{_NAMESPACES}[{index}] is {shown(namespace)}, which no namespace can be named",
                "name one namespace in full: patterns are not supported",
            )


def _host_like(text: str) -> str:
    """An address without scheme and path, if the rest is a host."""
    host = text.rpartition("://")[2].partition("/")[0]
    return host if host_of(host) else "registry.example.com:5000"
