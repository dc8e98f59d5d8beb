"""Manifests, and push checks on a state that tests set by hand."""

import hashlib
import json
from collections.abc import Collection
from typing import Any

from app.admission.enforcer import Enforcer
from app.admission.image_kinds import ImageAdmission
from app.admission.references import References
from app.model.limits import NamespaceLimits
from app.model.manifest import OCI_INDEX, OCI_MANIFEST, Manifest, parse
from app.policy.enforcement import ENFORCED, Enforcement
from app.quota.store import MemoryLedgers
from app.quota.view import Timing
from app.registry.push import PushChecks
from tests.unit.stores import DOMAIN, FakeState


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def blob(name: str, size: int) -> dict[str, Any]:
    return {"mediaType": "x/y", "digest": digest_of(name.encode()), "size": size}


def image(size: int = 100, config: str = "c") -> bytes:
    """An image of one layer and an empty config."""
    layers = [blob("layer", size)]
    return json.dumps({"schemaVersion": 2, "config": blob(config, 0), "layers": layers}).encode()


def index(*children: bytes) -> bytes:
    manifests = [{"digest": digest_of(child), "size": len(child)} for child in children]
    return json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()


def pushed(content: bytes) -> Manifest:
    media_type = OCI_INDEX if b'"manifests"' in content else OCI_MANIFEST
    return parse(content, media_type)


class Pushes:
    """Push checks and the admission that follows them, on one state and one ledger."""

    def __init__(
        self,
        limits: NamespaceLimits,
        registry_hosts: Collection[str] = (),
        enforcement: Enforcement = ENFORCED,
    ) -> None:
        self.state = FakeState(limits)
        self.enforcer = Enforcer(
            self.state,
            MemoryLedgers(),
            DOMAIN,
            Timing(expiry=90),
            clock=self.state.clock,
            enforcement=enforcement,
        )
        self.admission = ImageAdmission(
            self.state,
            self.enforcer,
            References(self.state, registry_hosts),
            DOMAIN,
            "deny",
            enforcement=enforcement,
        )
        self.checks = PushChecks(self.admission)
