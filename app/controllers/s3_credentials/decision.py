"""Decides which of the user's credentials the private configuration should hold.

Values are in base64, as in the API, and are never shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.cluster.api import Content
from app.controllers.ownership import Claim, managers_of_data
from app.model.credentials import SECRET, CredentialsSecret
from app.model.registry import ServedConfig
from app.policy.names import matches
from app.policy.operator import storage_credentials

MANAGER = "registry-admission-s3-credentials"
"""Our field manager. It owns the keys that we merged."""
TARGET = "image-registry-private-configuration"
_PEOPLE = ("kubectl*", "before-first-apply")
"""Field managers of manual changes. The user's keys replace those."""


@dataclass(frozen=True)
class PrivateConfiguration:
    """The Secret that the registry reads, and the owners of its keys."""

    namespace: str
    data: Mapping[str, str] = field(default_factory=dict)
    ours: frozenset[str] = frozenset()
    owners: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The other field managers of each key."""
    shared: bool = True
    """Whether anybody else has ever written to the Secret."""
    mark: str = ""
    version: str = ""

    @classmethod
    def of(cls, content: Content, operator_group: str) -> "PrivateConfiguration":
        metadata = content["metadata"]
        ours: frozenset[str] = frozenset()
        owners: dict[str, frozenset[str]] = {}
        shared = False
        for manager, _, keys in managers_of_data(metadata):
            if manager == MANAGER:
                ours |= keys
                continue
            shared = True
            for key in keys:
                owners[key] = owners.get(key, frozenset()) | {manager}
        marks = [
            f"annotation {key}"
            for key in metadata.get("annotations") or {}
            if key.startswith(f"{operator_group}/")
        ]
        data = content.get("data") or {}
        mark = marks[0] if marks else ""
        version = metadata["resourceVersion"]
        return cls(metadata["namespace"], data, ours, owners, shared, mark, version)


@dataclass(frozen=True)
class Merge:
    """The write that is due; none if `keys` is None."""

    keys: Mapping[str, str] | None = None
    """The keys that we own in the private configuration afterwards."""
    delete: str = ""
    """The version of the private configuration that is to be deleted because nothing is left in
    it."""
    problem: str = ""


NO_CHANGE = Merge()


def decide(
    config: ServedConfig | None,
    user: Mapping[str, str] | None,
    target: PrivateConfiguration | None,
    namespace: str,
) -> Merge:
    """`user` is the data of the user's Secret, `target` the private configuration; None if absent.
    `namespace` is the registry's.

    While Config/cluster is absent or Unmanaged, everything stays as it is.
    """
    state = config.spec.management_state if config else "Unmanaged"
    if state == "Unmanaged":
        return NO_CHANGE
    wanted = dict(user or {}) if state != "Removed" else {}
    problem = problem_of(wanted, namespace)
    if problem:
        return Merge(problem=problem)
    ours = target.ours if target else frozenset()
    data = target.data if target else {}
    if ours == wanted.keys() and all(data.get(key) == value for key, value in wanted.items()):
        return NO_CHANGE
    left_empty = target is not None and not target.shared and not wanted
    return Merge(keys=wanted, delete=target.version if target and left_empty else "")


def claim_on(target: PrivateConfiguration | None, wanted: Mapping[str, str]) -> Claim | None:
    """The claim of another controller that writes the private configuration, if any."""
    if target is None:
        return None
    title = f"Secret {target.namespace}/{TARGET}"
    if target.mark:
        return Claim(title, target.mark)
    for key in sorted(wanted):
        for manager in sorted(target.owners.get(key, ())):
            if not matches(manager, _PEOPLE):
                return Claim(title, f"field manager {manager} on {key}")
    return None


def problem_of(user: Mapping[str, str], namespace: str) -> str:
    """Why the credentials cannot be merged, without any value; "" if they can."""
    verdict = storage_credentials.check(CredentialsSecret.model_validate({"data": user}), namespace)
    return "; ".join(f"Secret {SECRET}: {violation}" for violation in verdict.violations)
