"""Reviews of the image group on a small registry with known content."""

from typing import Any

from app.admission.kinds import Deciders, Kinds
from app.admission.object_kinds import ObjectAdmission
from app.admission.registry_kinds import RegistryAdmission
from app.admission.review import AdmissionRequest
from app.config.settings import Settings
from app.model.limits import NamespaceLimits
from app.policy.verdict import Verdict
from tests.patience import PATIENCE
from tests.unit.pushes import Pushes, digest_of
from tests.unit.stores import DOMAIN, limit

BIG, SMALL, OWN_BIG = (digest_of(name) for name in (b"big", b"small", b"own"))
REGISTRY = "image-registry.image-registry-system.svc:5000"


def service(**limits: Any) -> Pushes:
    """Team-b has a small image and one that is too large. Team-a has a large image that is older
    than the limit."""
    pushes = Pushes(NamespaceLimits(image_size=limit("1Ki"), **limits), registry_hosts=[REGISTRY])
    pushes.state.sizes = {BIG: 4096, OWN_BIG: 4096, SMALL: 10}
    pushes.state.store("team-b", "origin", {"big": (BIG,), "latest": (BIG,), "small": (SMALL,)})
    pushes.state.store("team-b", "app", {"big": (BIG,)})
    pushes.state.store("team-a", "app", {"v1": (SMALL,), "huge": (OWN_BIG,)})
    return pushes


async def decide(
    pushes: Pushes,
    kind: str,
    content: dict[str, Any],
    old: dict[str, Any] | None = None,
    sub_resource: str = "",
    within: float = PATIENCE,
    *,
    uid: str = "u",
    dry_run: bool = False,
) -> Verdict:
    request = AdmissionRequest.model_validate(
        {
            "uid": uid,
            "dryRun": dry_run,
            "kind": {"group": "image.alauda.io", "version": "v1", "kind": kind},
            "operation": "UPDATE" if old else "CREATE",
            "subResource": sub_resource,
            "namespace": "team-a",
            "object": content,
            "oldObject": old,
        }
    )
    return await review(pushes, request, within)


async def review(pushes: Pushes, request: AdmissionRequest, within: float = PATIENCE) -> Verdict:
    """Decide the request with the row of its kind."""
    settings = Settings()
    deciders = Deciders(
        pushes.admission,
        ObjectAdmission(pushes.state, settings),
        RegistryAdmission(pushes.state, settings, None),
    )
    kind = Kinds(DOMAIN).get(request.kind.group, request.kind.kind)
    assert kind is not None
    assert kind.decide is not None
    verdict = await kind.decide(deciders, request, within)
    assert verdict is not None
    return verdict


def causes(verdict: Verdict) -> list[str]:
    return [violation.reason for violation in verdict.violations]
