"""Every right that the service account has is used, and no other is needed."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.admission.events import RefusalEvents
from app.admission.review import AdmissionRequest, Outcome
from app.auth.reviews import KubernetesAccess
from app.certs.cluster import ClusterCertificates, service_names
from app.cluster.api import KubeApi
from app.cluster.connection import connected
from app.cluster.kubernetes import KubernetesState
from app.cluster.ledgers import KubernetesLedgers
from app.cluster.objects import KubernetesObjects
from app.install import installing
from app.model import credentials
from app.model.core import ConfigMap, Secret
from app.model.volumes import PersistentVolumeClaim, StorageClass
from app.quota.ledger import Ledger
from app.quota.store import LedgerConflictError
from app.quota.view import Timing
from app.registry.names import Repository

from .cluster import AUDITED, Cluster
from .domain import API, DOMAIN
from .observed import becomes, quota, used
from .overlays import NAMESPACE
from .pushes import Push, Pusher
from .replicas import Replicas, service_kubeconfig

pytestmark = pytest.mark.e2e

TEAM = "permissions"


@dataclass(frozen=True, order=True)
class Right:
    """A right. Empty `name` and `namespace`: for all names or namespaces."""

    verb: str
    group: str
    resource: str
    name: str = ""
    namespace: str = ""

    def covers(self, used: "Right") -> bool:
        return (
            (self.verb, self.group, self.resource) == (used.verb, used.group, used.resource)
            and self.name in ("", used.name)
            and self.namespace in ("", used.namespace)
        )


def granted() -> set[Right]:
    manifests = installing.manifests(
        namespace=NAMESPACE, image="registry-admission", replicas=3, api_domain=DOMAIN
    )
    return {
        Right(verb, group, resource, name, manifest["metadata"].get("namespace", ""))
        for manifest in manifests
        if manifest["kind"] in ("Role", "ClusterRole")
        for rule in manifest["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


class Audit:
    """The requests of the service account from now on."""

    def __init__(self, cluster: Cluster) -> None:
        self._log = cluster.audit_log
        self._start = self._log.stat().st_size if self._log.exists() else 0

    def events(self) -> list[dict[str, Any]]:
        with self._log.open() as log:
            log.seek(self._start)
            events = [json.loads(line) for line in log if line.endswith("\n")]
        return [event for event in events if event["user"]["username"] == AUDITED]

    def forbidden(self) -> list[str]:
        return [
            f"{event['verb']} {event['requestURI']}"
            for event in self.events()
            if event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
        ]

    def used(self) -> set[Right]:
        found = set()
        for event in self.events():
            target = event.get("objectRef", {})
            parts = (target.get("resource", ""), target.get("subresource", ""))
            found.add(
                Right(
                    event["verb"],
                    target.get("apiGroup", ""),
                    "/".join(filter(None, parts)),
                    target.get("name", ""),
                    target.get("namespace", ""),
                )
            )
        return found


@pytest.fixture
def audit(cluster: Cluster) -> Iterator[Audit]:
    """Start in a cluster in which the service never ran."""
    for target in ("secret/registry-admission-tls", "lease/registry-admission",
                   f"imagestreams.image.{DOMAIN}/registry-admission-heartbeat"):  # fmt: skip
        cluster.kubectl("delete", "--ignore-not-found", f"--namespace={NAMESPACE}", target)
    cluster.kubectl("apply", "--filename=-", input=quota(TEAM, "image-tags", 1))
    yield Audit(cluster)
    cluster.kubectl("delete", "namespace", TEAM, "--wait=false")


@pytest_asyncio.fixture
async def api(cluster: Cluster, tmp_path: Path) -> AsyncIterator[KubeApi]:
    """A client with the rights of the service account."""
    kubeconfig = service_kubeconfig(cluster, tmp_path / "account")
    async with connected(kubeconfig, None) as api:
        yield api


async def test_every_right_is_used_and_no_other_is_needed(
    cluster: Cluster, tmp_path: Path, audit: Audit, api: KubeApi
) -> None:
    with Replicas(cluster, tmp_path, 1, shared_certificates=True) as replicas:
        replicas.wait_until_limited(TEAM)
        answers = await Pusher(cluster).push([Push(TEAM, "app", f"v{n}") for n in range(3)])
        assert sorted(answer.code for answer in answers) == [201, 403, 403]
        counts = {f"{DOMAIN}/image-tags": "0", "pods": "0"}
        await becomes("status", lambda: used(cluster, TEAM), counts)
        await becomes("an event", lambda: "QuotaExceeded" in shown_events(cluster), True)
    await meet_at_a_ledger(api)
    await count_refusals(api)
    await renew_certificates(api, tmp_path)
    state = KubernetesState(api, API, namespace=NAMESPACE, timing=Timing(), silence=150)
    assert await state.image("sha256:unknown") is None
    access = KubernetesAccess(api, API)
    subject = await access.authenticate(cluster.token)
    assert subject is not None
    assert await access.may_push(subject, Repository(TEAM, "app"))
    await look_at_what_a_config_refers_to(api)

    assert audit.forbidden() == []
    seen = audit.used()
    rights = granted()
    assert [right for right in seen if not any(one.covers(right) for one in rights)] == []
    assert sorted(one for one in rights if not any(map(one.covers, seen))) == []


def shown_events(cluster: Cluster) -> str:
    return cluster.kubectl("get", "events", f"--namespace={TEAM}").stdout


async def meet_at_a_ledger(api: KubeApi) -> None:
    """One replica writes, another one loses twice and asks for a turn; then the ledger is tidied
    away."""
    winner, loser = (KubernetesLedgers(api, NAMESPACE, identity) for identity in ("a", "b"))
    await winner.save("nowhere", Ledger(), "")
    for _ in range(2):
        with pytest.raises(LedgerConflictError):
            await loser.save("nowhere", Ledger(), "")
    ledger, version = await loser.load("nowhere")
    await loser.save("nowhere", ledger, version)
    _, version = await loser.load("nowhere")
    await loser.discard("nowhere", version)


async def count_refusals(api: KubeApi) -> None:
    """Cause two refusals that are some minutes apart."""
    request = AdmissionRequest.model_validate(
        {
            "uid": "1",
            "kind": {"group": f"image.{DOMAIN}", "version": "v1", "kind": "ImageStreamMapping"},
            "operation": "CREATE",
            "name": "app",
            "namespace": TEAM,
        }
    )
    times = iter(datetime.now(UTC).timestamp() + 100 * number for number in range(2))
    events = RefusalEvents(api, API, "one", clock=lambda: next(times))
    for _ in range(2):
        events.refused(request, Outcome(False, 403, "Forbidden", "no", ("QuotaExceeded",)))
        await events.write_waiting()


async def look_at_what_a_config_refers_to(api: KubeApi) -> None:
    objects, registry = KubernetesObjects(api), API.registry_namespace
    assert await objects.read(PersistentVolumeClaim, registry, "none") is None
    for namespace in {registry, API.config_namespace or registry}:
        assert await objects.read(ConfigMap, namespace, "none") is None
    assert await objects.read(StorageClass, "", "none") is None
    await objects.read(Secret, registry, credentials.SECRET)


async def renew_certificates(api: KubeApi, folder: Path) -> None:
    """A time at which all reservations of the replica have expired."""
    later = datetime.now(UTC) + timedelta(days=20 * 365)
    certificates = ClusterCertificates(
        api,
        folder,
        namespace=NAMESPACE,
        names=service_names("registry-admission", NAMESPACE),
        clock=lambda: later,
    )
    for _ in range(4):
        await certificates.step()
