"""Checks of the storage backend: one backend that Pods and clients can use."""

from typing import Any

import pytest

from app.policy.verdict import Verdict
from tests.unit.registry_configs import check, check_spec, config, reasons

PATCH = "kubectl patch configs.imageregistry.operator.alauda.io cluster --type=merge -p "

PVC = {"pvc": {"claim": "x"}}
S3 = {"s3": {"bucket": "images", "region": "eu-1"}}


@pytest.mark.parametrize(
    ("storage", "named"),
    [
        ({"emptyDir": {}, "pvc": {"claim": "x"}}, "two backends, emptyDir and pvc"),
        ({"pvc": {}, "s3": {"bucket": "images"}}, "two backends, pvc and s3"),
        ({"azure": {}, "gcs": {}}, "two backends, azure and gcs"),
        ({"ibmcos": {}, "oss": {}, "swift": {}}, "3 backends, ibmcos, oss and swift"),
    ],
)
def test_one_backend_is_enough(storage: dict[str, Any], named: str) -> None:
    [violation] = check_spec({"storage": storage}).violations
    assert violation.reason == "TwoStorageBackends"
    assert str(violation) == (
        f"spec.storage has {named}; keep one: remove the others from the manifest"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("persistentVolumeClaim", ": did you mean pvc?"),
        ("emptydir", ": did you mean emptyDir?"),
        ("S3", ": did you mean s3?"),
        ("pcv", ": did you mean pvc?"),
        ("nfs", ""),
    ],
)
def test_a_backend_that_does_not_exist_is_warned_about(name: str, hint: str) -> None:
    verdict = check_spec({"storage": {name: {"claim": "x"}}})
    assert verdict.allowed
    assert verdict.warnings == [
        f'spec.storage has no field "{name}", and the operator ignores it{hint}'
    ]


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        (
            {"emptyDir": {}},
            {"emptyDir": {}, "pvc": {"claim": "x"}},
            """'{"spec":{"storage":{"emptyDir":null,"pvc":{"claim":"x"}}}}'""",
        ),
        (
            {"pvc": {"claim": "x"}},
            {"emptyDir": {}, "pvc": {"claim": "x"}},
            """'{"spec":{"storage":{"emptyDir":{},"pvc":null}}}'""",
        ),
        (
            {"pvc": {"claim": "x"}},
            {"pvc": {"claim": "x"}, "s3": {"bucket": "it's", "encrypt": True}},
            """'{"spec":{"storage":{"pvc":null,"s3":{"bucket":"it'"'"'s","encrypt":true}}}}'""",
        ),
        (
            {"emptyDir": {}, "pvc": {"claim": "x"}},
            {"emptyDir": {}, "pvc": {"claim": "x"}},
            """'{"spec":{"storage":{"emptyDir":null,"pvc":{"claim":"x"}}}}'""",
        ),
    ],
    ids=["to pvc", "to emptyDir", "quoted for the shell", "from two"],
)
def test_switching_backends_shows_the_patch(
    old: dict[str, Any], new: dict[str, Any], patch: str
) -> None:
    violation = check(config({"storage": new}), config({"storage": old})).violations[0]
    assert violation.reason == "TwoStorageBackends"
    assert violation.next_step == f"keep one: {PATCH}{patch}"


@pytest.mark.parametrize(
    "storage",
    [
        {"emptyDir": None, "pvc": {"claim": "x"}},
        {"emptyDir": {}, "pvc": None, "s3": None},
        {"managementState": None, "gcs": {"bucket": "images"}, "azure": None},
        {},
        None,
    ],
    ids=str,
)
def test_null_backend_is_ignored(storage: object) -> None:
    assert check_spec({"storage": storage}) == Verdict()


@pytest.mark.parametrize(
    ("backend", "field", "meant"),
    [
        ("pvc", "claimName", "claim"),
        ("pvc", "Claim", "claim"),
        ("pvc", "storageClass", ""),
        ("s3", "bucketName", "bucket"),
        ("s3", "endpoint", "regionEndpoint"),
        ("s3", "regionendpoint", "regionEndpoint"),
        ("s3", "trustedCa", "trustedCA"),
        ("s3", "secure", ""),
    ],
)
def test_a_misspelled_field_of_a_backend_is_warned_about(
    backend: str, field: str, meant: str
) -> None:
    content = {"bucket": "images", "region": "eu-1"} if backend == "s3" else {}
    verdict = check_spec({"storage": {backend: {**content, field: "x"}}})
    assert verdict.allowed
    assert verdict.warnings == (
        [
            f'spec.storage.{backend} has no field "{field}", and the operator ignores it: '
            f"did you mean {meant}?"
        ]
        if meant
        else []
    )


@pytest.mark.parametrize(
    ("replicas", "expected"), [(0, []), (1, []), (None, []), (2, ["EmptyDirWithReplicas"])]
)
def test_empty_dir_needs_one_replica(replicas: int | None, expected: list[str]) -> None:
    verdict = check_spec({"replicas": replicas, "storage": {"emptyDir": {}}})
    assert reasons(verdict) == expected
    assert all("spec.replicas is 2" in str(violation) for violation in verdict.violations)


@pytest.mark.parametrize(
    ("spec", "storage", "warned"),
    [
        ({"rolloutStrategy": "RollingUpdate"}, PVC, "spec.rolloutStrategy is RollingUpdate"),
        ({"rolloutStrategy": "Recreate"}, PVC, ""),
        ({"replicas": 2, "rolloutStrategy": "RollingUpdate"}, PVC, "spec.replicas is 2"),
        ({"replicas": 3, "rolloutStrategy": "Recreate"}, {"pvc": {}}, "spec.replicas is 3"),
        ({"replicas": 2}, S3, ""),
        ({"rolloutStrategy": "RollingUpdate"}, S3, ""),
    ],
    ids=["rolling", "recreate", "two Pods", "three Pods", "two Pods on s3", "rolling on s3"],
)
def test_several_pods_on_a_volume_of_unknown_access_mode_get_a_warning(
    spec: dict[str, Any], storage: dict[str, Any], warned: str
) -> None:
    verdict = check_spec({**spec, "storage": storage})
    assert verdict.allowed
    assert len(verdict.warnings) == bool(warned)
    assert all(text.startswith(warned) for text in verdict.warnings)


@pytest.mark.parametrize(
    ("claim", "valid"),
    [
        ("image-registry", True),
        ("a.b", True),
        ("x" * 253, True),
        ("", True),
        (None, True),
        ("x" * 254, False),
        ("Image_Registry", False),
        ("-x", False),
        ("x\n", False),
        ("a..b", False),
    ],
)
def test_claim_name_must_be_valid(claim: str | None, valid: bool) -> None:
    verdict = check_spec({"storage": {"pvc": {"claim": claim}}})
    assert reasons(verdict) == ([] if valid else ["InvalidClaimName"])


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("Managed", []),
        ("Unmanaged", []),
        ("", []),
        ("Removed", ["UnknownManagementState"]),
        ("unmanaged", ["UnknownManagementState"]),
    ],
)
def test_management_state_of_storage_is_checked(state: str, expected: list[str]) -> None:
    assert reasons(check_spec({"storage": {"managementState": state, "emptyDir": {}}})) == expected


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        pytest.param(
            {"managementState": "Managed", "emptyDir": {}},
            {"managementState": "Managed", "pvc": {"claim": "images"}},
            True,
            id="a claim beside the default of an emptyDir",
        ),
        pytest.param(
            {"managementState": "Managed", "emptyDir": {}},
            {"managementState": "Managed", "s3": {"bucket": "images"}},
            True,
            id="a bucket",
        ),
        pytest.param(
            {"managementState": "Managed", "emptyDir": {}},
            {"managementState": "Unmanaged", "pvc": {"claim": "images"}},
            False,
            id="a state of its own",
        ),
        pytest.param(
            {"managementState": "Managed", "pvc": {"claim": "images"}},
            {"managementState": "Managed", "pvc": {"claim": "images"}},
            False,
            id="no new storage",
        ),
        pytest.param(
            {"pvc": {"claim": "images"}},
            {"managementState": "Managed", "pvc": {"claim": "images"}},
            False,
            id="a state that was chosen",
        ),
    ],
)
def test_managed_user_storage_gets_a_deletion_warning(
    before: dict[str, Any], after: dict[str, Any], warned: bool
) -> None:
    verdict = check(config({"storage": after}), config({"storage": before}))

    assert any("is still Managed" in warning for warning in verdict.warnings) is warned
