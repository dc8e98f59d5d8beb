"""Who else claims what a controller would write? Pure decisions.

Two controllers that write one field undo each other's work for ever, so a controller here stays
away from what another one owns. The registry's own operator may be that other one.

What a tenant can write proves a claim on the tenant's object only: else one annotation in one
namespace could stop the tokens of a whole cluster from being refreshed. A controller is off for
the whole cluster when Config/cluster says so, or when more than half of its namespaces are claimed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

OURS = "registry-admission"
_REFERENCE = "internal-registry-pull-secret-ref"
"""The name, under any prefix, of the annotation with which OpenShift's controller, and those that
come from it, mark a ServiceAccount as theirs."""


@dataclass(frozen=True)
class Claim:
    """Somebody else's mark, and where it is."""

    title: str
    """`Kind namespace/name`."""
    mark: str
    """Such as `field manager NAME`."""

    def __str__(self) -> str:
        return f"{self.title} has the {self.mark}"


def mark_of_account(metadata: Mapping[str, Any], ours: str, rivals: Sequence[str]) -> str:
    """The mark of another controller of pull secrets on a ServiceAccount, "" if there is none.

    `ours` is the name of our own pull secret, `rivals` are patterns of field managers.
    """
    for key, value in (metadata.get("annotations") or {}).items():
        if key.rpartition("/")[2] == _REFERENCE and value not in ("", ours):
            return f"annotation {key}"
    for manager, _, fields in _managers(metadata):
        if "f:imagePullSecrets" in fields and _is_one_of(manager, rivals):
            return f"field manager {manager}"
    return ""


def mark_of_secret(metadata: Mapping[str, Any], ours: str, rivals: Sequence[str]) -> str:
    """The mark of another owner on the data of one of our Secrets, "" if there is none.

    `ours` is our field manager. Who merely updates a Secret has edited it, and it is repaired;
    who *applies* its data declares to own it.
    """
    for manager, operation, fields in _managers(metadata):
        declares = operation == "Apply" or _is_one_of(manager, rivals)
        if "f:data" in fields and manager != ours and declares:
            return f"field manager {manager}"
    return ""


def mark_of_config(metadata: Mapping[str, Any], annotation: str) -> str:
    """The owner that Config/cluster names for a controller's work, unless that is us."""
    owner = (metadata.get("annotations") or {}).get(annotation, "")
    return f"annotation {annotation}={owner}" if owner not in ("", OURS) else ""


def managers_of_data(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str, set[str]]]:
    """Each field manager of a Secret, its operation, and the keys of the data that it owns."""
    for manager, operation, fields in _managers(metadata):
        keys = {key.removeprefix("f:") for key in fields.get("f:data", {}) if key != "."}
        yield manager, operation, keys


@dataclass(frozen=True)
class ManagementState:
    """Whether a controller works, and what it leaves alone."""

    off: str = ""
    """Why it does nothing at all; "" while it works."""
    apart: str = ""
    """Which objects it leaves to others, "" if none."""


def management_state(
    config: Claim | None,
    claims: Mapping[str, Sequence[Claim]],
    in_scope: Mapping[str, int],
) -> ManagementState:
    """`claims` are those on single objects by namespace; `in_scope` counts the objects of each
    namespace. A namespace is claimed when at least half of its objects are."""
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


def _is_one_of(manager: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(manager, pattern) for pattern in patterns)
