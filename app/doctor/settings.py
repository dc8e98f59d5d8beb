"""Applies the admission checks to objects that were stored before this service ran."""

from collections.abc import Iterator

from app.doctor.finding import Finding
from app.doctor.snapshot import Snapshot
from app.model.limits import LimitRange, ResourceQuota
from app.model.registry import ImagePruner
from app.policy.limit_objects import check_limit_range, check_resource_quota
from app.policy.operator import image_pruner, registry_config
from app.policy.verdict import Verdict


def check_config(snapshot: Snapshot) -> Iterator[Finding]:
    config = snapshot.config
    if config is not None:
        verdict = registry_config.check(
            config,
            None,
            domain=snapshot.domain,
            images_exist=False,
            data_loss_guard="warn",
            registry_namespace=snapshot.registry_namespace,
        )
        yield from _findings(config.title, verdict)
        yield from _conditions(snapshot)


def check_pruner(snapshot: Snapshot) -> Iterator[Finding]:
    pruner = snapshot.find(ImagePruner, "cluster")
    if pruner is not None:
        yield from _findings(pruner.title, image_pruner.check(pruner))


def check_limits(snapshot: Snapshot) -> Iterator[Finding]:
    """Report misspelled limits: they look like limits and limit nothing."""
    domain = snapshot.domain
    for limit_range in snapshot.of_tenants(LimitRange):
        yield from _findings(limit_range.title, check_limit_range(limit_range, domain=domain))
    for quota in snapshot.of_tenants(ResourceQuota):
        yield from _findings(quota.title, check_resource_quota(quota, domain=domain))


def _findings(subject: str, verdict: Verdict) -> Iterator[Finding]:
    for violation in verdict.violations:
        yield Finding("error", violation.reason, subject, violation.message, (violation.next_step,))


def _conditions(snapshot: Snapshot) -> Iterator[Finding]:
    """Report the failing conditions in the status of Config/cluster."""
    config = snapshot.config
    bad = {("Available", "False"), ("Degraded", "True")}
    group = snapshot.domain.operator_group
    for condition in config.status.conditions if config else ():
        if (condition.type, condition.status) in bad:
            yield Finding(
                "error",
                f"Registry{'Degraded' if condition.type == 'Degraded' else 'Unavailable'}",
                "Config cluster",
                f"the operator says that {condition}",
                (
                    f"kubectl get configs.{group} cluster -o yaml",
                    f"kubectl -n {snapshot.registry_namespace} get deployments,pods,events",
                ),
            )
