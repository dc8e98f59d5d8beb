"""The table of reviewed kinds: dispatch, metrics, `check` and the tests read it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from app.admission import requested_changes
from app.admission.image_kinds import ChangeOf, ImageAdmission
from app.admission.object_kinds import ObjectAdmission
from app.admission.registry_kinds import RegistryAdmission, fill_in_config
from app.admission.review import AdmissionRequest, Outcome, not_handled
from app.model.domain import ApiDomain
from app.policy.limit_objects import UNKNOWN_MODE
from app.policy.verdict import Verdict


class Group(Enum):
    """The API groups, whose names follow from the API domain."""

    CORE = "core"
    IMAGE = "image"
    OPERATOR = "operator"

    def of(self, domain: ApiDomain) -> str:
        names = {Group.IMAGE: domain.image_group, Group.OPERATOR: domain.operator_group}
        return names.get(self, "")


@dataclass(frozen=True)
class Deciders:
    """The deciders that the rows of the table use."""

    images: ImageAdmission
    objects: ObjectAdmission
    registry: RegistryAdmission
    service_accounts: Callable[[AdmissionRequest], Outcome] | None = None
    """Fills in new ServiceAccounts; None: they are not changed."""


Decide = Callable[[Deciders, AdmissionRequest, float], Awaitable[Verdict | None]]
"""A verdict within that many seconds; None for an object that is not checked.

Raises ValidationError for an object whose shape is wrong, TooManyReferencesError, and
StateUnavailableError if there is no safe answer.
"""
FillIn = Callable[[Deciders, AdmissionRequest], Outcome]


@dataclass(frozen=True)
class Kind:
    group: Group
    name: str
    """Also its label in metrics."""
    resource: str
    namespaced: bool
    decide: Decide | None = None
    """None for a kind of which no creation and no update is decided."""
    fill_in: FillIn | None = None
    at_deletion: Decide | None = None
    """None for a kind whose deletion loses nothing."""


def _brings(change_of: ChangeOf, *, dry_run_stores: bool = False) -> Decide:
    """A kind that brings images into a namespace."""

    async def decide(deciders: Deciders, request: AdmissionRequest, within: float) -> Verdict:
        images = deciders.images
        return await images.review(request, change_of, within, dry_run_stores=dry_run_stores)

    return decide


def _checked(
    check: Callable[[Deciders], Callable[[AdmissionRequest], Awaitable[Verdict | None]]],
) -> Decide:
    """A kind that limits, or that the registry's operator reads."""

    async def decide(
        deciders: Deciders, request: AdmissionRequest, _within: float
    ) -> Verdict | None:
        if request.sub_resource == "status" or request.is_being_deleted:
            return None
        verdict = await check(deciders)(request)
        if verdict is None or not request.is_unchanged:
            return verdict
        # A fault of the stored object becomes a warning, so that labels can still be changed.
        mode_changes = request.changes_annotation(deciders.images.domain.mode_annotation)
        return verdict.tolerant(but_not=[UNKNOWN_MODE] if mode_changes else [])

    return decide


async def _image(deciders: Deciders, request: AdmissionRequest, _within: float) -> Verdict:
    return deciders.images.check_image(request)


async def _config_deletion(
    deciders: Deciders, request: AdmissionRequest, _within: float
) -> Verdict | None:
    return deciders.registry.config_deletion(request)


async def _claim_deletion(
    deciders: Deciders, request: AdmissionRequest, _within: float
) -> Verdict | None:
    return deciders.registry.claim_deletion(request)


def _fill_in_service_account(deciders: Deciders, request: AdmissionRequest) -> Outcome:
    if deciders.service_accounts is None:
        return not_handled("pull secrets are not managed")
    return deciders.service_accounts(request)


def _fill_in_config(deciders: Deciders, request: AdmissionRequest) -> Outcome:
    return fill_in_config(request, deciders.images.domain)


KINDS = (
    Kind(Group.IMAGE, "Image", "images", False, _image),
    Kind(
        Group.IMAGE, "ImageStream", "imagestreams", True, _brings(requested_changes.of_stream)
    ),
    Kind(
        Group.IMAGE, "ImageStreamMapping", "imagestreammappings", True,
        _brings(requested_changes.of_mapping, dry_run_stores=True),
    ),
    Kind(
        Group.IMAGE, "ImageStreamTag", "imagestreamtags", True,
        _brings(requested_changes.of_stream_tag),
    ),
    Kind(Group.IMAGE, "ImageTag", "imagetags", True, _brings(requested_changes.of_image_tag)),
    Kind(
        Group.IMAGE, "ImageStreamImport", "imagestreamimports", True,
        _brings(requested_changes.of_import, dry_run_stores=True),
    ),
    Kind(Group.CORE, "LimitRange", "limitranges", True, _checked(lambda d: d.objects.limit_range)),
    Kind(
        Group.CORE, "ResourceQuota", "resourcequotas", True,
        _checked(lambda d: d.objects.resource_quota),
    ),
    Kind(Group.CORE, "ConfigMap", "configmaps", True, _checked(lambda d: d.objects.config_map)),
    Kind(Group.CORE, "Secret", "secrets", True, _checked(lambda d: d.registry.secret)),
    Kind(
        Group.CORE, "PersistentVolumeClaim", "persistentvolumeclaims", True,
        at_deletion=_claim_deletion,
    ),
    Kind(
        Group.CORE, "ServiceAccount", "serviceaccounts", True, fill_in=_fill_in_service_account
    ),
    Kind(
        Group.OPERATOR, "Config", "configs", False, _checked(lambda d: d.registry.config),
        _fill_in_config, _config_deletion,
    ),
    Kind(
        Group.OPERATOR, "ImagePruner", "imagepruners", False,
        _checked(lambda d: d.registry.pruner),
    ),
)  # fmt: skip


class Kinds:
    """The rows by group and kind, for one API domain."""

    def __init__(self, domain: ApiDomain) -> None:
        self._rows = {(kind.group.of(domain), kind.name): kind for kind in KINDS}

    def get(self, group: str, name: str) -> Kind | None:
        return self._rows.get((group, name))
