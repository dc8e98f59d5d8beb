"""Decides which objects belong to another owner.

Two controllers that write one field undo each other's work forever, so that a controller here
leaves alone what another one owns. The registry's own operator may be that owner.

A tenant's annotation counts only for the tenant's own object: else one annotation could stop the
refresh of tokens in the whole cluster. A controller is off for the whole cluster if Config/cluster
says so, or if more than half of the namespaces are claimed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.policy.names import matches

OURS = "registry-admission"
_REFERENCE = "internal-registry-pull-secret-ref"
"""The annotation, under any prefix, with which OpenShift's controller and its descendants mark a
ServiceAccount."""


@dataclass(frozen=True)
class Claim:
    """The mark of another owner, and the object that has it."""

    title: str
    """`Kind namespace/name`."""
    mark: str
    """Such as `field manager NAME`."""

    def __str__(self) -> str:
        return f"{self.title} has the {self.mark}"


def mark_of_account(metadata: Mapping[str, Any], ours: str, rivals: Sequence[str]) -> str:
    """The mark of another pull secret controller on a ServiceAccount; "" if there is none.

    `ours` is the name of our own pull secret, `rivals` are patterns of field managers.
    """
    for key, value in (metadata.get("annotations") or {}).items():
        if key.rpartition("/")[2] == _REFERENCE and value not in ("", ours):
            return f"annotation {key}"
    for manager, _, fields in _managers(metadata):
        if "f:imagePullSecrets" in fields and matches(manager, rivals):
            return f"field manager {manager}"
    return ""


def mark_of_secret(metadata: Mapping[str, Any], ours: str, rivals: Sequence[str]) -> str:
    """The mark of another owner on the data of one of our Secrets; "" if there is none.

    `ours` is our field manager. A manager that updates the Secret has edited it, and the Secret is
    repaired. A manager that *applies* the data declares to own it.
    """
    for manager, operation, fields in _managers(metadata):
        declares = operation == "Apply" or matches(manager, rivals)
        if "f:data" in fields and manager != ours and declares:
            return f"field manager {manager}"
    return ""


def mark_of_config(metadata: Mapping[str, Any], annotation: str) -> str:
    """The owner that Config/cluster names for a controller's task; "" if that is us or nobody."""
    owner = (metadata.get("annotations") or {}).get(annotation, "")
    return f"annotation {annotation}={owner}" if owner not in ("", OURS) else ""


def managers_of_data(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str, set[str]]]:
    """Each field manager of a Secret, its operation, and the data keys that it owns."""
    for manager, operation, fields in _managers(metadata):
        keys = {key.removeprefix("f:") for key in fields.get("f:data", {}) if key != "."}
        yield manager, operation, keys


@dataclass(frozen=True)
class ManagementState:
    """Whether a controller works, and which objects it leaves to others."""

    off: str = ""
    """Why the controller is off; "" while it works."""
    apart: str = ""
    """Which objects it leaves to others; "" if none."""


def management_state(
    config: Claim | None,
    claims: Mapping[str, Sequence[Claim]],
    in_scope: Mapping[str, int],
) -> ManagementState:
    """Decide whether a controller works.

    `claims` are the claims on single objects, by namespace. `in_scope` counts the objects of each
    namespace. A namespace is claimed if at least half of its objects are.
    """
    if config is not None:
        return ManagementState(off=str(config))
    found = [claim for namespace in sorted(claims) for claim in claims[namespace]]
    if not found:
        return ManagementState()
    claimed = sum(2 * len(claims[name]) >= in_scope[name] for name in claims if claims[name])
    text = f"{found[0]} ({claimed} of {len(in_scope)} namespaces are claimed like this)"
    if 2 * claimed > len(in_scope):
        return ManagementState(off=text)
    return ManagementState(apart=text)


def _managers(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for entry in metadata.get("managedFields") or []:
        yield entry.get("manager", ""), entry.get("operation", ""), entry.get("fieldsV1") or {}
