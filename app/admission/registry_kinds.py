"""Reviews of Config/cluster, ImagePruner and the storage credentials Secret."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import jsonpatch

from app.admission.review import NO_OBJECT, AdmissionRequest, Outcome, invalid, not_handled
from app.cluster.objects import ObjectReader, UnreadableError
from app.config.settings import Settings
from app.model import credentials
from app.model.base import KubeObject
from app.model.core import ConfigMap, Secret
from app.model.credentials import CredentialsSecret
from app.model.domain import ApiDomain
from app.model.registry import Config, ConfigSpec, ImagePruner
from app.model.volumes import PersistentVolumeClaim, StorageClass
from app.policy.fullness import Level
from app.policy.operator import (
    image_pruner,
    registry_config,
    registry_data_loss,
    registry_defaults,
    retention,
    storage_credentials,
    storage_references,
)
from app.policy.operator.storage_references import Referenced, Unread
from app.policy.verdict import Verdict
from app.quota.state import ClusterState, StateUnavailableError

Model = TypeVar("Model", bound=KubeObject)

_READ_TIMEOUT = 2.0
"""Seconds to wait for all objects that a Config refers to."""
_COUNT_TIMEOUT = 2.0
"""Seconds to search for namespaces that stay full."""


def fill_in_config(request: AdmissionRequest, domain: ApiDomain) -> Outcome:
    """Set the defaults of a new or changed Config/cluster."""
    if request.operation not in ("CREATE", "UPDATE") or request.sub_resource:
        return not_handled("nothing to default")
    if request.object is None:
        return invalid(request.title, [NO_OBJECT])
    defaulted = registry_defaults.with_defaults(request.object, domain)
    patch: list[dict[str, Any]] = jsonpatch.make_patch(request.object, defaulted).patch
    return Outcome(patch=patch, audit={"defaulted": str(bool(patch)).lower()})


class RegistryAdmission:
    """Decides the objects that the registry's operator reads."""

    def __init__(
        self,
        state: ClusterState,
        settings: Settings,
        objects: ObjectReader | None,
        read_timeout: float = _READ_TIMEOUT,
        claim: Callable[[], str] = str,
    ) -> None:
        """`objects` reads what a Config refers to; None: that is not checked.

        `read_timeout` is in seconds. `claim`: the name of the PersistentVolumeClaim that holds the
        registry's images, "" if there is none.
        """
        self._state = state
        self._settings = settings
        self._objects = objects
        self._read_timeout = read_timeout
        self._claim = claim

    async def config(self, request: AdmissionRequest) -> Verdict:
        """Check a Config. Raises ValidationError.

        While the state is unknown, images are assumed to exist. The request is not refused for
        that, because changing Config/cluster is the way to repair a broken registry.
        """
        config, old = request.new(Config), request.old(Config)
        checks = self._settings.reference_checks
        looks = self._objects is not None and checks != "off" and not request.is_unchanged
        return registry_config.check(
            config,
            old,
            domain=self._settings.domain,
            images_exist=self._images_exist(),
            data_loss_guard=self._settings.data_loss_guard,
            registry_namespace=self._settings.registry_namespace,
            referenced=await self._referenced(config.spec) if looks else None,
            strict=checks == "deny",
        )

    def config_deletion(self, request: AdmissionRequest) -> Verdict | None:
        """Check the deletion of a Config; None for one that the operator does not read."""
        config = request.old(Config)
        if config is None or request.sub_resource or config.metadata.name != "cluster":
            return None
        if not self._images_exist():
            return Verdict()
        return registry_data_loss.check_deletion(
            config, domain=self._settings.domain, guard=self._settings.data_loss_guard
        )

    def claim_deletion(self, request: AdmissionRequest) -> Verdict | None:
        """Check the deletion of a claim; None for one that does not hold the registry's images."""
        claim = request.old(PersistentVolumeClaim)
        if claim is None or request.sub_resource or claim.metadata.deletion_timestamp is not None:
            return None
        namespace = self._settings.registry_namespace
        if (request.namespace, claim.metadata.name) != (namespace, self._claim()):
            return None
        if not self._images_exist():
            return Verdict()
        return registry_data_loss.check_claim_deletion(
            claim, domain=self._settings.domain, guard=self._settings.data_loss_guard
        )

    def _images_exist(self) -> bool:
        return self._state.holds_images() or bool(self._state.problems())

    async def pruner(self, request: AdmissionRequest) -> Verdict:
        """Raises ValidationError."""
        pruner = request.new(ImagePruner)
        verdict = image_pruner.check(pruner)
        if verdict.allowed and not pruner.spec.suspend:
            for warning in await self._staying_full(retention.kept_revisions(pruner.spec)):
                verdict.warn(warning)
        return verdict

    async def secret(self, request: AdmissionRequest) -> Verdict | None:
        """None for any other Secret. Raises ValidationError."""
        namespace = self._settings.registry_namespace
        # A file may leave the namespace to kubectl.
        if request.name != credentials.SECRET or request.namespace not in ("", namespace):
            return None
        return storage_credentials.check(request.new(CredentialsSecret), namespace)

    async def _staying_full(self, revisions: int) -> Sequence[str]:
        """Yields between two namespaces, so that reviews of pushes can run."""
        if self._state.problems():
            return [retention.NOT_COMPARED]
        found: list[Level] = []
        missed = False
        deadline = time.monotonic() + _COUNT_TIMEOUT
        for namespace in self._state.limited_namespaces():
            try:
                usage, limits = self._state.usage(namespace), self._state.limits(namespace)
            except StateUnavailableError:
                missed = True
                continue
            found += retention.staying_full(
                namespace, usage, limits, revisions, self._settings.domain
            )
            if time.monotonic() > deadline:
                missed = True
                break
            await asyncio.sleep(0)
        return [*retention.warnings(found, revisions), *[retention.NOT_COMPARED] * missed]

    async def _referenced(self, spec: ConfigSpec) -> Referenced:
        namespace, ca_namespace = self._settings.registry_namespace, self._settings.ca_namespace
        names = storage_references.names(spec)
        deadline = asyncio.get_running_loop().time() + self._read_timeout

        async def read(model: type[Model], namespace: str, name: str) -> Model | Unread | None:
            if not name or self._objects is None:
                return None
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._objects.read(model, namespace, name)
            except TimeoutError:
                return Unread(f"no answer within {self._read_timeout:g} seconds")
            except UnreadableError as error:
                return Unread(str(error))

        async def read_claim() -> tuple[
            PersistentVolumeClaim | Unread | None, StorageClass | Unread | None
        ]:
            claim = await read(PersistentVolumeClaim, namespace, names.claim)
            if not isinstance(claim, PersistentVolumeClaim):
                return claim, None
            return claim, await read(StorageClass, "", claim.spec.storage_class_name or "")

        (claim, storage_class), secret, trusted_ca = await asyncio.gather(
            read_claim(),
            read(Secret, namespace, names.secret),
            read(ConfigMap, ca_namespace, names.trusted_ca),
        )
        return Referenced(
            namespace, ca_namespace, datetime.now(UTC), claim, storage_class, secret, trusted_ca
        )
