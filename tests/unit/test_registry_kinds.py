"""Reading the objects that Config/cluster refers to, from any source and in bounded time."""

import asyncio
import base64
from typing import Any, TypeVar

import pytest

from app.admission.registry_kinds import RegistryAdmission
from app.admission.review import AdmissionRequest
from app.cluster.api import ApiError, Content, KubeApi, NotFoundError, Query
from app.cluster.objects import KubernetesObjects, ObjectReader, UnreadableError
from app.config.settings import Settings
from app.model.base import KubeObject
from app.model.core import ConfigMap, Secret
from app.model.credentials import S3_ACCESS_KEY, S3_SECRET_KEY, SECRET
from app.model.limits import NamespaceLimits
from app.model.volumes import PersistentVolumeClaim
from app.policy.operator import retention
from app.policy.verdict import Verdict
from tests.unit.registry_configs import config, reasons
from tests.unit.stores import FakeState, quota

Model = TypeVar("Model", bound=KubeObject)

VALUE = "Xq7unguessable"
PVC = {"storage": {"pvc": {"claim": "images"}}}
S3 = {
    "storage": {"s3": {"bucket": "images", "region": "eu-1", "trustedCA": {"name": "storage-ca"}}}
}


class Api(KubeApi):
    """Answers by path; 404 for unknown paths."""

    def __init__(self, **objects: Content | ApiError) -> None:
        self.asked: list[str] = []
        self._objects = objects

    async def get(self, path: str, query: Query | None = None) -> Content:
        self.asked.append(path)
        found = self._objects.get(path.rpartition("/")[2].replace("-", "_"), NotFoundError(404, ""))
        if isinstance(found, ApiError):
            raise found
        return found


class Silent:
    """A reader that never answers."""

    async def read(self, model: type[Model], namespace: str, name: str) -> Model | None:
        await asyncio.Event().wait()
        return None


def asked(
    kind: str, content: dict[str, Any], old: dict[str, Any] | None = None
) -> AdmissionRequest:
    return AdmissionRequest.model_validate(
        {
            "uid": "1",
            "kind": {"group": "imageregistry.operator.alauda.io", "version": "v1", "kind": kind},
            "name": "cluster",
            "operation": "CREATE" if old is None else "UPDATE",
            "object": content,
            "oldObject": old,
        }
    )


async def review(
    spec: dict[str, Any], objects: ObjectReader | None, *, unchanged: bool = False, **settings: str
) -> Verdict:
    chosen = Settings.model_validate({"reference_checks": "deny", **settings})
    admission = RegistryAdmission(FakeState(), chosen, objects)
    old = config(spec) if unchanged else None
    return await admission.config(asked("Config", config(spec), old))


async def test_referenced_objects_are_read_by_name() -> None:
    pvc, s3 = Api(images={"spec": {"storageClassName": "fast"}}), Api()

    await review(PVC, KubernetesObjects(pvc))
    await review(
        S3, KubernetesObjects(s3), registry_namespace="registry", trusted_ca_namespace="shared"
    )

    assert pvc.asked == [
        "/api/v1/namespaces/image-registry-system/persistentvolumeclaims/images",
        "/apis/storage.k8s.io/v1/storageclasses/fast",
    ]
    assert sorted(s3.asked) == [
        f"/api/v1/namespaces/registry/secrets/{SECRET}",
        "/api/v1/namespaces/shared/configmaps/storage-ca",
    ]


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ({"storage": {"emptyDir": {}}}, {}),
        ({"storage": {"pvc": {"claim": "a/../../b"}}}, {}),
        ({"managementState": "Removed", **S3}, {}),
        (PVC, {"reference_checks": "off"}),
        (PVC, {"unchanged": True}),
    ],
    ids=["emptyDir", "no name", "removed", "off", "only labels change"],
)
async def test_irrelevant_objects_are_not_read(
    spec: dict[str, Any], options: dict[str, Any]
) -> None:
    api = Api()

    await review(spec, KubernetesObjects(api), **options)

    assert api.asked == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (ApiError(0, "no route"), "the API server did not answer"),
        (ApiError(403, "forbidden"), "registry-admission may not read it"),
        (ApiError(500, "broken"), "the API server answers 500"),
        ({"spec": {"accessModes": "ReadWriteOnce"}}, "its content cannot be read"),
    ],
)
async def test_unreadable_object_is_a_warning_and_never_a_refusal(
    answer: Content | ApiError, why: str
) -> None:
    verdict = await review(PVC, KubernetesObjects(Api(images=answer)))

    assert verdict.allowed
    assert verdict.warnings == [
        f'spec.storage.pvc.claim: PersistentVolumeClaim "images" could not be checked: {why}'
    ]


async def test_silent_api_server_does_not_delay_the_answer() -> None:
    settings = Settings(reference_checks="deny")
    admission = RegistryAdmission(FakeState(), settings, Silent(), read_timeout=0.05)

    verdict = await admission.config(asked("Config", config(S3)))

    assert verdict.allowed
    assert [text.rpartition(": ")[2] for text in verdict.warnings] == [
        "no answer within 0.05 seconds"
    ] * 2


async def test_service_without_a_reader_does_not_warn() -> None:
    assert await review(PVC, None) == Verdict()


async def test_only_keys_of_a_secret_are_kept() -> None:
    text = base64.b64encode(VALUE.encode()).decode()
    stored = {"data": {S3_ACCESS_KEY: text, S3_SECRET_KEY: None}}
    reader = KubernetesObjects(Api(any=stored))

    found = await reader.read(Secret, "registry", "any")

    assert found is not None
    assert found.filled == {S3_ACCESS_KEY: True, S3_SECRET_KEY: False}
    assert VALUE not in repr(vars(found))
    assert text not in repr(vars(found))


async def test_malformed_secret_is_named_without_its_content() -> None:
    reader = KubernetesObjects(Api(any={"metadata": VALUE}))

    with pytest.raises(UnreadableError) as caught:
        await reader.read(Secret, "registry", "any")

    assert VALUE not in repr(caught.value)


async def prune(state: FakeState, **spec: Any) -> Verdict:
    admission = RegistryAdmission(state, Settings(), None)
    return await admission.pruner(asked("ImagePruner", config(spec)))


async def test_pruner_that_frees_no_room_gets_a_warning() -> None:
    state = FakeState(NamespaceLimits(quotas=(quota(images=2),)))
    history = tuple(f"sha256:{number:064x}" for number in range(3))
    state.store("team-a", "app", {"v1": history})

    assert len((await prune(state)).warnings) == 1
    assert await prune(state, keepTagRevisions=1) == Verdict()
    assert (await prune(state, suspend=True)).warnings == [
        "spec.suspend is true: nothing is pruned until it is false"
    ]
    assert reasons(await prune(state, keepTagRevisions=-1)) == ["InvalidKeepTagRevisions"]


@pytest.mark.parametrize(
    ("stale", "denied"),
    [
        pytest.param(False, [], id="there are no images"),
        pytest.param(True, ["StorageChangeLosesImages"], id="there may be images"),
    ],
)
async def test_config_is_decided_while_the_state_is_unknown(stale: bool, denied: list[str]) -> None:
    state = FakeState()
    state.reasons = ["imagestreams: the watch is 9 s behind"] * stale
    admission = RegistryAdmission(state, Settings(data_loss_guard="deny"), None)
    old, new = ({"storage": {"pvc": {"claim": name}}} for name in ("one", "two"))

    switched = await admission.config(asked("Config", config(new), config(old)))
    scaled = await admission.config(
        asked("Config", config({**old, "logLevel": "Debug"}), config(old))
    )

    assert reasons(switched) == denied
    assert scaled.allowed


@pytest.mark.parametrize(
    ("name", "reasons_of_state", "denied"),
    [
        ("cluster", [], []),
        ("cluster", ["imagestreams: not listed yet"], ["RemovalLosesImages"]),
        ("other", ["imagestreams: not listed yet"], None),
    ],
    ids=["there are no images", "there may be images", "the operator does not read it"],
)
def test_deleting_a_config_is_decided_by_the_images_that_may_be_lost(
    name: str, reasons_of_state: list[str], denied: list[str] | None
) -> None:
    state = FakeState()
    state.reasons = reasons_of_state
    content = {**config({"storage": {"pvc": {}}}), "metadata": {"name": name}}
    request = asked("Config", content, content).model_copy(
        update={"operation": "DELETE", "object": None}
    )

    verdict = RegistryAdmission(state, Settings(data_loss_guard="deny"), None).config_deletion(
        request
    )

    assert (verdict and reasons(verdict)) == denied


async def test_commands_name_the_namespace_of_the_registry() -> None:
    spec = {"storage": {"pvc": {"claim": "no name"}}}

    [refused] = (await review(spec, None, registry_namespace="registry")).violations

    assert refused.next_step == "set it to a name that `kubectl -n registry get pvc` lists"


async def test_unknown_state_gives_no_warnings() -> None:
    state = FakeState()
    state.reasons = ["imagestreams: not listed yet"]

    assert await prune(state) == Verdict(warnings=[retention.NOT_COMPARED])


def test_claims_and_config_maps_are_read() -> None:
    """Objects with fields that the models ignore, as the API server sends them."""
    claim = PersistentVolumeClaim.model_validate(
        {"metadata": {"managedFields": []}, "spec": {"storageClassName": None, "selector": {}}}
    )

    assert claim.spec.storage_class_name is None
    assert ConfigMap.model_validate({"data": None}).data == {}
