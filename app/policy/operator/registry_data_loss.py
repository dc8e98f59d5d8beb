"""Finds changes of Config/cluster that may lose images.

The operator never copies images from one storage to another, and it deletes managed storage
together with the registry. The images' metadata is then left without data.
"""

from collections.abc import Iterator
from typing import Any, Literal

from app.model.domain import ApiDomain
from app.model.registry import Config
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


def check(config: Config, old: Config, *, domain: ApiDomain, guard: DataLossGuard) -> Verdict:
    """Check an update of a Config whose registry holds images."""
    verdict = Verdict()
    losses = list(losses_between(config, old))
    annotation = domain.acknowledge_data_loss
    command = f"kubectl annotate configs.{domain.operator_group} cluster {annotation}"
    value = config.metadata.annotations.get(annotation)
    acknowledged = value == "true"
    for reason, loss in losses:
        if guard == "deny" and not acknowledged:
            verdict.deny(
                reason,
                loss,
                f"copy the images first, or accept the loss with `{command}=true --overwrite`, "
                "and send the change again",
            )
        else:
            verdict.warn(f"{loss}: copy the images first, or lose them")
    if losses and value is not None and not acknowledged:
        verdict.warn(
            f"annotation {annotation} has the unknown value {value!r}: only true accepts the loss"
        )
    if losses and acknowledged:
        verdict.warn(f"the loss is acknowledged; afterwards run `{command}-`")
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
    if now == "Removed" and was != now and config.spec.storage.is_managed:
        yield (
            "RemovalLosesImages",
            f"spec.managementState changes from {was or 'Managed'} to Removed, "
            "and managed storage is deleted with its images",
        )


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
