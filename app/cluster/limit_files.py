"""LimitRanges and ResourceQuotas from files."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from app.cluster.manifests import Manifest
from app.model.domain import ApiDomain
from app.model.limits import LimitRange, ResourceQuota
from app.policy.not_in_force import not_in_force

Limits = TypeVar("Limits", LimitRange, ResourceQuota)


@dataclass
class LimitFiles:
    """The LimitRanges and ResourceQuotas of files, by namespace."""

    domain: ApiDomain
    limit_ranges: dict[str, list[LimitRange]] = field(default_factory=lambda: defaultdict(list))
    quotas: dict[str, list[ResourceQuota]] = field(default_factory=lambda: defaultdict(list))
    warnings: list[str] = field(default_factory=list)
    """Limits that are not in force as written, each as `file:line: why`."""

    @classmethod
    def of(cls, documents: Iterable[Manifest], domain: ApiDomain) -> "LimitFiles":
        """The limits among objects of any kind. Raises ManifestError."""
        files = cls(domain)
        for manifest in documents:
            files.take(manifest)
        return files

    @property
    def namespaces(self) -> set[str]:
        return {*self.limit_ranges, *self.quotas}

    def take(self, manifest: Manifest) -> bool:
        """Take in a LimitRange or ResourceQuota. Returns whether it is one. Raises
        ManifestError."""
        taken = self._put(manifest)
        problems = not_in_force(manifest.content, self.domain)
        self.warnings += [f"{manifest.place}: {problem}" for problem in problems]
        return taken

    def _put(self, manifest: Manifest) -> bool:
        if manifest.api_version.rpartition("/")[0]:
            return False
        match manifest.kind:
            case "LimitRange":
                limits = manifest.parse(LimitRange)
                self._replace(manifest, self.limit_ranges[namespace_of(limits)], limits)
            case "ResourceQuota":
                quota = manifest.parse(ResourceQuota)
                self._replace(manifest, self.quotas[namespace_of(quota)], quota)
            case _:
                return False
        return True

    def _replace(self, manifest: Manifest, present: list[Limits], limits: Limits) -> None:
        """Of two objects with one name, the later one replaces the earlier one, as with `kubectl
        apply`."""
        for index, other in enumerate(present):
            if other.metadata.name == limits.metadata.name != "":
                present[index] = limits
                self.warnings.append(f"{manifest.place}: {limits.title} replaces an earlier one")
                return
        present.append(limits)


def namespace_of(limits: LimitRange | ResourceQuota) -> str:
    return namespace_or_default(limits.metadata.namespace)


def namespace_or_default(name: str) -> str:
    """The namespace that kubectl gives to an object without one: `default`."""
    return name or "default"
