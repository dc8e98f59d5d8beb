"""Finds changes of Config/cluster, and deletions, that may lose images.

The operator never copies images from one storage to another, and it deletes managed storage
together with the registry. The images' metadata is then left without data.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic.alias_generators import to_camel

from app.model.base import KubeObject
from app.model.domain import ApiDomain
from app.model.registry import Config, ConfigSpec
from app.model.volumes import PersistentVolumeClaim
from app.policy.names import without_credentials
from app.policy.operator.field_checks import shown
from app.policy.verdict import Verdict

DataLossGuard = Literal["warn", "deny"]

_IDENTITY: dict[str, tuple[str, ...]] = {
    "emptyDir": (),
    "pvc": ("claim",),
    "s3": ("bucket", "region", "regionEndpoint"),
    "azure": ("accountName", "container", "cloudName"),
    "gcs": ("bucket", "region", "projectID"),
    "ibmcos": ("bucket", "location", "serviceInstanceCRN"),
    "oss": ("bucket", "region"),
    "swift": ("authURL", "container", "domain", "domainID", "tenant", "tenantID", "regionName"),
}
"""The fields that tell where a backend's data is. The other fields tell how to reach it."""

_ADDRESSES = ("regionEndpoint", "authURL")


_POD_FIELDS = (
    "affinity",
    "disable_redirect",
    "log_level",
    "node_selector",
    "proxy",
    "read_only",
    "requests",
    "resources",
    "tolerations",
    "topology_spread_constraints",
)
"""The fields that the registry's Pod is made from."""
_DEFAULTS = {"log_level": "Normal"}
"""What the operator reads if a field is absent, empty or false."""


def check(config: Config, old: Config, *, domain: ApiDomain, guard: DataLossGuard) -> Verdict:
    """Check an update of a Config whose registry holds images."""
    return _of_config(losses_between(config, old), config, domain, guard)


def check_deletion(config: Config, *, domain: ApiDomain, guard: DataLossGuard) -> Verdict:
    """Check the deletion of a Config whose registry holds images.

    The operator removes the registry before the Config goes, whatever its management state.
    """
    losses = []
    if going := _removed_storage(config.spec):
        losses.append(("RemovalLosesImages", f"Config cluster is deleted, and {going}"))
    return _of_config(losses, config, domain, guard)


def check_claim_deletion(
    claim: PersistentVolumeClaim, *, domain: ApiDomain, guard: DataLossGuard
) -> Verdict:
    """Check the deletion of the claim that holds the images of the registry."""
    metadata = claim.metadata
    resource = f"-n {metadata.namespace} persistentvolumeclaims {metadata.name}"
    return _verdict(_lost_with_claim(), claim, resource, "delete it again", domain, guard)


def _lost_with_claim() -> Iterator[tuple[str, str]]:
    yield (
        "ClaimDeletionLosesImages",
        "it holds the registry's images, and its volume is deleted with it unless the volume's "
        "reclaim policy is Retain",
    )


def _of_config(
    found: Iterable[tuple[str, str]], config: Config, domain: ApiDomain, guard: DataLossGuard
) -> Verdict:
    losses, annotation = list(found), domain.acknowledge_data_loss
    resource = f"configs.{domain.operator_group} cluster"
    verdict = _verdict(losses, config, resource, "send the change again", domain, guard)
    if losses and config.metadata.annotations.get(annotation) == "true":
        command = f"kubectl annotate {resource} {annotation}-"
        verdict.warn(f"the loss is acknowledged; afterwards run `{command}`")
    return verdict


def _verdict(
    losses: Iterable[tuple[str, str]],
    annotated: KubeObject,
    resource: str,
    again: str,
    domain: ApiDomain,
    guard: DataLossGuard,
) -> Verdict:
    """The verdict on losses that an annotation of an object accepts. `resource`: the words by
    which kubectl finds the object; `again`: how to repeat the request."""
    verdict, annotation = Verdict(), domain.acknowledge_data_loss
    command = f"kubectl annotate {resource} {annotation}"
    value = annotated.metadata.annotations.get(annotation)
    unknown = False
    for reason, loss in losses:
        unknown = value not in (None, "true")
        if guard == "deny" and value != "true":
            verdict.deny(
                reason,
                loss,
                f"copy the images first, or accept the loss with `{command}=true --overwrite`, "
                f"and {again}",
            )
        else:
            verdict.warn(f"{loss}: copy the images first, or lose them")
    if unknown:
        verdict.warn(
            f"annotation {annotation} has the unknown value {value!r}: only true accepts the loss"
        )
    return verdict


def losses_between(config: Config, old: Config) -> Iterator[tuple[str, str]]:
    """The reason and the description of each loss."""
    before, after = old.spec.storage.backends, config.spec.storage.backends
    if before.keys() - after.keys():
        yield (
            "StorageChangeLosesImages",
            f"spec.storage changes from {_described(before)} to {_described(after)}, "
            "and the images stay behind",
        )
    for name in before:
        if name in after and (moves := list(_moves(name, before[name], after[name]))):
            yield (
                "StorageChangeLosesImages",
                f"spec.storage.{name} changes its {' and '.join(moves)}, "
                "and the images stay behind",
            )
    was, now = old.spec.management_state, config.spec.management_state
    if now == "Removed" and was != now and (going := _removed_storage(config.spec)):
        yield (
            "RemovalLosesImages",
            f"spec.managementState changes from {was or 'Managed'} to Removed, and {going}",
        )
    ran = was != "Removed" and old.spec.replicas != 0
    stays = "emptyDir" in before and "emptyDir" in after and now not in ("Removed", "Unmanaged")
    if ran and stays and (fields := " and ".join(_restarting(config.spec, old.spec))):
        yield (
            "RestartLosesImages",
            f"with another {fields}, the registry's Pod is replaced, and its emptyDir ends with it",
        )


def _removed_storage(spec: ConfigSpec) -> str:
    """What becomes of the images when the registry is removed; empty if they stay."""
    if "emptyDir" in spec.storage.backends:
        return "the emptyDir ends with the registry's Pod"
    if spec.storage.is_managed:
        return "managed storage is deleted with its images"
    return ""


def _restarting(spec: ConfigSpec, old: ConfigSpec) -> Iterator[str]:
    """The fields whose change ends the Pod that runs."""
    if spec.replicas == 0:
        yield "spec.replicas"
    for field in _POD_FIELDS:
        before, after = (getattr(one, field) or _DEFAULTS.get(field) for one in (old, spec))
        if before != after:
            yield f"spec.{to_camel(field)}"


def _moves(name: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Each field that moves a backend's data to another place."""
    for field in _IDENTITY[name]:
        was, now = _text(before, field), _text(after, field)
        if _moved(field, was, now):
            yield f"{field} from {_shown(field, was)} to {_shown(field, now)}"


def _moved(field: str, was: str, now: str) -> bool:
    if field == "regionEndpoint":
        return _place(was) != _place(now)
    # The operator fills in an unset value, so that a first value moves nothing.
    return was not in ("", now)


def _place(endpoint: str) -> str:
    """The part of an endpoint that tells the place; without an endpoint, the data is at AWS."""
    return endpoint.rpartition("://")[2].rstrip("/").lower()


def _described(backends: dict[str, dict[str, Any]]) -> str:
    """For example `pvc (claim "image-registry")`, or `none`."""
    return " and ".join(map(_named, backends.items())) or "none"


def _named(backend: tuple[str, dict[str, Any]]) -> str:
    """A backend with the field that identifies it best."""
    name, content = backend
    for field in _IDENTITY[name]:
        if value := _text(content, field):
            return f"{name} ({field} {_shown(field, value)})"
    return name


def _text(content: dict[str, Any], field: str) -> str:
    value = content.get(field)
    return "" if value is None else str(value)


def _shown(field: str, value: str) -> str:
    return shown(without_credentials(value) if field in _ADDRESSES else value)
