"""Reviews of LimitRange, ResourceQuota and the legacy gateway's ConfigMap."""

from collections.abc import Mapping

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
    """Decides LimitRange, ResourceQuota and the legacy ConfigMap. All raise ValidationError."""

    def __init__(self, state: ClusterState, settings: Settings) -> None:
        self._state = state
        self._settings = settings
        self._domain = settings.domain

    async def config_map(self, request: AdmissionRequest) -> Verdict:
        return legacy_config.check(
            request.new(ConfigMap),
            old=request.old(ConfigMap),
            key_namespaces=self._settings.legacy_namespaces,
            mode=self._settings.legacy_mode(request.namespace),
            domain=self._domain,
        )

    async def limit_range(self, request: AdmissionRequest) -> Verdict:
        limit_range = request.new(LimitRange)
        return limit_objects.check_limit_range(
            limit_range, domain=self._domain, largest=self._largest(request.namespace)
        )

    async def resource_quota(self, request: AdmissionRequest) -> Verdict:
        quota = request.new(ResourceQuota)
        usage = self._usage(request.namespace)
        used = {
            self._domain.imagestreams: usage.stream_count,
            self._domain.images: usage.image_count,
            self._domain.image_tags: usage.tag_count,
        }
        return limit_objects.check_resource_quota(quota, domain=self._domain, used=used)

    def _usage(self, namespace: str) -> NamespaceUsage:
        """The usage for warnings; empty if it cannot be read: a limit is valid without it."""
        try:
            return self._state.usage(namespace)
        except StateUnavailableError:
            return NamespaceUsage()

    def _largest(self, namespace: str) -> Mapping[str, tuple[str, int]]:
        """The fullest stream of a namespace and its count, by resource name."""
        usage = self._usage(namespace)
        if not usage.streams:
            return {}
        images = max(usage.streams, key=usage.image_count_of)
        tags = max(usage.streams, key=usage.tag_count_of)
        return {
            self._domain.images: (images, usage.image_count_of(images)),
            self._domain.image_tags: (tags, usage.tag_count_of(tags)),
        }
