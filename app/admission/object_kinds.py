"""Reviews of everything but images: what sets limits, and the registry's own configuration."""

from collections.abc import Mapping

from app.admission.image_kinds import old_version
from app.admission.registry_kinds import RegistryAdmission
from app.admission.review import AdmissionRequest
from app.config.settings import Settings
from app.migration import legacy_config
from app.model.core import ConfigMap
from app.model.limits import LimitRange, ResourceQuota
from app.policy import limit_objects
from app.policy.verdict import Verdict
from app.quota.state import ClusterState, StateUnavailableError
from app.quota.usage import NamespaceUsage


class ObjectAdmission:
    """Decides LimitRange, ResourceQuota and the legacy ConfigMap, and has the rest decided."""

    def __init__(
        self, state: ClusterState, settings: Settings, registry: RegistryAdmission
    ) -> None:
        self._state = state
        self._settings = settings
        self._registry = registry
        self._domain = settings.domain

    async def review(self, request: AdmissionRequest) -> Verdict | None:
        """The verdict on a create or update; None for a kind that is not checked.

        Raises ValidationError for an object whose shape is wrong, StateUnavailableError if
        the state that the decision needs is not loaded.
        """
        if request.sub_resource or _being_deleted(request):
            return None
        unchanged = _unchanged(request)
        verdict = await self._verdict(request, unchanged)
        # What was wrong before stays wrong: it is named, but labels can still be changed.
        return verdict.tolerant() if verdict is not None and unchanged else verdict

    async def _verdict(self, request: AdmissionRequest, unchanged: bool) -> Verdict | None:
        match request.kind.group, request.kind.kind:
            case "", "ConfigMap":
                return self._config_map(request)
            case "", "LimitRange":
                return self._limit_range(request)
            case "", "ResourceQuota":
                return self._resource_quota(request)
            case self._domain.operator_group, "Config":
                return await self._registry.config(request, unchanged=unchanged)
            case self._domain.operator_group, "ImagePruner":
                return await self._registry.pruner(request)
            case "", "Secret":
                return self._registry.secret(request)
            case _:
                return None

    def _config_map(self, request: AdmissionRequest) -> Verdict:
        return legacy_config.check(
            ConfigMap.model_validate(request.object),
            old=old_version(ConfigMap, request),
            key_namespaces=self._settings.legacy_namespaces,
            mode=self._settings.legacy_mode(request.namespace),
            domain=self._domain,
        )

    def _limit_range(self, request: AdmissionRequest) -> Verdict:
        limit_range = LimitRange.model_validate(request.object)
        return limit_objects.check_limit_range(
            limit_range, domain=self._domain, largest=self._largest(request.namespace)
        )

    def _resource_quota(self, request: AdmissionRequest) -> Verdict:
        quota = ResourceQuota.model_validate(request.object)
        usage = self._usage(request.namespace)
        used = {
            self._domain.imagestreams: usage.stream_count,
            self._domain.images: usage.image_count,
            self._domain.image_tags: usage.tag_count,
        }
        return limit_objects.check_resource_quota(quota, domain=self._domain, used=used)

    def _usage(self, namespace: str) -> NamespaceUsage:
        """What warnings compare with; nothing where it cannot be read: a limit is no less right."""
        try:
            return self._state.usage(namespace)
        except StateUnavailableError:
            return NamespaceUsage()

    def _largest(self, namespace: str) -> Mapping[str, tuple[str, int]]:
        """The fullest stream of a namespace and its count, by resource name."""
        usage = self._usage(namespace)
        if not usage.streams:
            return {}
        images = max(usage.streams, key=lambda name: len(usage.streams[name].images))
        tags = max(usage.streams, key=usage.tag_count_of)
        return {
            self._domain.images: (images, len(usage.streams[images].images)),
            self._domain.image_tags: (tags, usage.tag_count_of(tags)),
        }


def _being_deleted(request: AdmissionRequest) -> bool:
    """What is on its way out must get there, whatever is wrong with it."""
    metadata = (request.object or {}).get("metadata")
    return isinstance(metadata, dict) and metadata.get("deletionTimestamp") is not None


def _unchanged(request: AdmissionRequest) -> bool:
    """Whether an update leaves the content as it is stored, and only touches metadata."""
    if request.operation != "UPDATE" or request.old_object is None:
        return False
    new, old = dict(request.object or {}), dict(request.old_object)
    for content in (new, old):
        content.pop("metadata", None)
        content.pop("status", None)
    return new == old
