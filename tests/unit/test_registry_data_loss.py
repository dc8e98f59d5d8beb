"""Updates of Config/cluster that may lose images."""

from typing import Any, Literal

import pytest

from app.policy.verdict import Verdict
from tests.unit.registry_configs import check, config, reasons

ANNOTATION = "imageregistry.operator.alauda.io/acknowledge-data-loss"
ANNOTATE = f"kubectl annotate configs.imageregistry.operator.alauda.io cluster {ANNOTATION}"
S3 = {"bucket": "images", "region": "eu-1", "regionEndpoint": "https://s3.example.com"}
SWITCH = ({"storage": {"pvc": {"claim": "a"}}}, {"storage": {"pvc": {"claim": "b"}}})


MANAGED: dict[str, Any] = {"storage": {"managementState": "Managed", "pvc": {"claim": "x"}}}


def check_update(
    old: dict[str, Any],
    new: dict[str, Any],
    *,
    guard: Literal["warn", "deny"] = "deny",
    annotations: dict[str, str] | None = None,
) -> Verdict:
    return check(config(new, annotations=annotations), config(old), guard=guard)


def storage(name: str, **fields: object) -> dict[str, Any]:
    return {"storage": {name: fields}}


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (
            storage("emptyDir"),
            {"storage": {"emptyDir": None, "pvc": {"claim": "x"}}},
            'spec.storage changes from emptyDir to pvc (claim "x")',
        ),
        (
            storage("pvc", claim="x"),
            storage("s3", **S3),
            'spec.storage changes from pvc (claim "x") to s3 (bucket "images")',
        ),
        (
            storage("pvc", claim="x"),
            {"storage": {"pvc": None}},
            'spec.storage changes from pvc (claim "x") to none',
        ),
        (
            {"storage": {"emptyDir": {}, "pvc": {"claim": "x"}}},
            storage("pvc", claim="x"),
            'spec.storage changes from emptyDir and pvc (claim "x") to pvc (claim "x")',
        ),
        (*SWITCH, 'spec.storage.pvc changes its claim from "a" to "b"'),
        (
            storage("pvc", claim="a"),
            storage("pvc"),
            'spec.storage.pvc changes its claim from "a" to ""',
        ),
        (
            storage("s3", **S3),
            storage("s3", **S3 | {"bucket": "other", "region": "us-1"}),
            'spec.storage.s3 changes its bucket from "images" to "other" '
            'and region from "eu-1" to "us-1"',
        ),
        (
            storage("s3", **S3),
            storage("s3", **S3 | {"regionEndpoint": "https://s3.example.org"}),
            "spec.storage.s3 changes its regionEndpoint "
            'from "https://s3.example.com" to "https://s3.example.org"',
        ),
        (
            storage("s3", **S3 | {"regionEndpoint": "https://s3.example.com/X"}),
            storage("s3", **S3),
            "spec.storage.s3 changes its regionEndpoint "
            'from "https://s3.example.com/X" to "https://s3.example.com"',
        ),
        (
            storage("s3", bucket="images"),
            storage("s3", bucket="images", regionEndpoint="https://s3.example.com"),
            'spec.storage.s3 changes its regionEndpoint from "" to "https://s3.example.com"',
        ),
        (
            storage("azure", accountName="a", container="c"),
            storage("azure", accountName="b", container="c"),
            'spec.storage.azure changes its accountName from "a" to "b"',
        ),
        (
            storage("gcs", bucket="a"),
            storage("gcs", bucket="b"),
            'spec.storage.gcs changes its bucket from "a" to "b"',
        ),
        (
            storage("ibmcos", bucket="a"),
            storage("ibmcos", bucket="b"),
            'spec.storage.ibmcos changes its bucket from "a" to "b"',
        ),
        (
            storage("oss", bucket="a", region="x"),
            storage("oss", bucket="a", region="y"),
            'spec.storage.oss changes its region from "x" to "y"',
        ),
        (
            storage("swift", container="a"),
            storage("swift", container=7),
            'spec.storage.swift changes its container from "a" to "7"',
        ),
        (
            storage("swift", tenant="a@example.com"),
            storage("swift", tenant="b@example.com"),
            'spec.storage.swift changes its tenant from "a@example.com" to "b@example.com"',
        ),
    ],
)
def test_moving_storage_loses_images(old: dict[str, Any], new: dict[str, Any], change: str) -> None:
    [violation] = check_update(old, new).violations
    assert violation.reason == "StorageChangeLosesImages"
    assert violation.message == f"{change}, and the images stay behind"
    assert violation.next_step == (
        f"copy the images first, or accept the loss with `{ANNOTATE}=true --overwrite`, "
        "and send the change again"
    )


@pytest.mark.parametrize(
    ("backend", "field"),
    [
        (backend, field)
        for backend, fields in {
            "pvc": ["claim"],
            "s3": ["bucket", "region", "regionEndpoint"],
            "azure": ["accountName", "container", "cloudName"],
            "gcs": ["bucket", "region", "projectID"],
            "ibmcos": ["bucket", "location", "serviceInstanceCRN"],
            "oss": ["bucket", "region"],
            "swift": [
                "authURL",
                "container",
                "domain",
                "domainID",
                "tenant",
                "tenantID",
                "regionName",
            ],
        }.items()
        for field in fields
    ],
)
def test_a_changed_place_of_a_backend_loses_images(backend: str, field: str) -> None:
    old, new = storage(backend, **{field: "a"}), storage(backend, **{field: "b"})
    losses = [one.message for one in check_update(old, new).violations]
    change = f'spec.storage.{backend} changes its {field} from "a" to "b"'
    assert f"{change}, and the images stay behind" in losses


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, storage("emptyDir")),
        ({"storage": None}, storage("pvc", claim="x")),
        ({"storage": {"managementState": "Managed"}}, storage("s3", **S3)),
        (storage("emptyDir"), storage("emptyDir", sizeLimit="1Gi")),
        (storage("pvc"), storage("pvc", claim="image-registry-storage")),
        (storage("pvc", claim="x"), {"storage": {"pvc": {"claim": "x"}, "s3": None}}),
        (
            storage("s3", bucket="images"),
            storage("s3", bucket="images", region="eu-1", encrypt=True, trustedCA={"name": "ca"}),
        ),
        (storage("s3", **S3), storage("s3", **S3 | {"regionEndpoint": "http://S3.example.com/"})),
        (storage("s3", **S3 | {"regionEndpoint": "s3.example.com"}), storage("s3", **S3)),
        (storage("gcs", bucket="a"), storage("gcs", bucket="a", keyID="k", projectID="p")),
        (storage("azure", container="a"), storage("azure", container="a", networkAccess={})),
        (
            storage("pvc", claim="x"),
            {"replicas": 3, "logLevel": "Debug", **storage("pvc", claim="x")},
        ),
    ],
    ids=[
        "from no spec",
        "from null",
        "from a state alone",
        "emptyDir stays emptyDir",
        "the operator fills in the claim",
        "another backend is null",
        "the operator fills in the region",
        "the same endpoint spelled otherwise",
        "the same endpoint with its scheme",
        "how gcs is reached",
        "how azure is reached",
        "nothing about storage",
    ],
)
def test_keeping_storage_loses_nothing(old: dict[str, Any], new: dict[str, Any]) -> None:
    verdict = check_update(old, new)
    assert verdict.allowed
    assert not [text for text in verdict.warnings if "images stay behind" in text]


def test_both_losses_are_named() -> None:
    new = {
        "managementState": "Removed",
        "storage": {"managementState": "Managed", "s3": {"bucket": "images"}},
    }
    assert reasons(check_update(MANAGED, new)) == [
        "StorageChangeLosesImages",
        "RemovalLosesImages",
    ]


@pytest.mark.parametrize("guard", ["warn", "deny"])
def test_without_images_there_is_nothing_to_lose(guard: Literal["warn", "deny"]) -> None:
    old, new = map(config, SWITCH)
    assert check(new, old, images_exist=False, guard=guard) == Verdict()


@pytest.mark.parametrize("guard", ["warn", "deny"])
def test_a_new_config_loses_nothing(guard: Literal["warn", "deny"]) -> None:
    assert check(config(SWITCH[1]), guard=guard) == Verdict()


def test_setting_turns_a_loss_into_a_warning() -> None:
    verdict = check_update(*SWITCH, guard="warn")
    assert verdict.allowed
    assert verdict.warnings == [
        'spec.storage.pvc changes its claim from "a" to "b", and the images stay behind: '
        "copy the images first, or lose them"
    ]


@pytest.mark.parametrize("guard", ["warn", "deny"])
def test_an_acknowledged_loss_is_a_warning(guard: Literal["warn", "deny"]) -> None:
    verdict = check_update(*SWITCH, guard=guard, annotations={ANNOTATION: "true"})
    assert verdict.allowed
    assert verdict.warnings == [
        'spec.storage.pvc changes its claim from "a" to "b", and the images stay behind: '
        "copy the images first, or lose them",
        f"the loss is acknowledged; afterwards run `{ANNOTATE}-`",
    ]


@pytest.mark.parametrize(
    "annotations",
    [{ANNOTATION: "false"}, {ANNOTATION: "True"}, {ANNOTATION: ""}, {"acknowledge": "true"}],
    ids=str,
)
def test_only_true_acknowledges_a_loss(annotations: dict[str, str]) -> None:
    verdict = check_update(*SWITCH, annotations=annotations)
    assert reasons(verdict) == ["StorageChangeLosesImages"]
    assert verdict.warnings == [
        f"annotation {ANNOTATION} has the unknown value {value!r}: only true accepts the loss"
        for key, value in annotations.items()
        if key == ANNOTATION
    ]


def test_acknowledgement_without_a_loss_is_ignored() -> None:
    assert check_update(SWITCH[0], SWITCH[0], annotations={ANNOTATION: "true"}) == Verdict()


@pytest.mark.parametrize(("backend", "field"), [("s3", "regionEndpoint"), ("swift", "authURL")])
def test_credentials_in_an_endpoint_are_not_repeated(backend: str, field: str) -> None:
    old = storage(backend, **{field: "https://key:secret@s3.example.com"})
    verdict = check_update(old, storage(backend, **{field: "https://s3.example.org"}))
    [loss] = [one for one in verdict.violations if one.reason == "StorageChangeLosesImages"]
    assert '"https://…@s3.example.com"' in loss.message
    assert "secret" not in verdict.explanation
