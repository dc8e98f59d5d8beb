"""Values that Config/cluster may have."""

from typing import Any

import pytest

from app.policy.verdict import Verdict
from tests.unit.registry_configs import (
    EXAMPLES,
    check,
    check_spec,
    config,
    example,
    reasons,
    with_defaults,
)

PLACEHOLDERS = [
    "replace the placeholder <bucket-name> in spec.storage.s3.bucket",
    "replace the placeholder <region> in spec.storage.s3.region",
    "replace the placeholder <s3-endpoint> in spec.storage.s3.regionEndpoint",
    "replace the placeholder <trusted-ca-configmap> in spec.storage.s3.trustedCA.name",
]


@pytest.mark.parametrize("defaulted", [False, True], ids=["as printed", "with defaults"])
@pytest.mark.parametrize(
    ("name", "warnings"),
    [("emptyDir", []), ("pvc", []), ("s3", PLACEHOLDERS), ("imagePullSecret", [])],
)
def test_the_pages_examples_are_allowed(name: str, warnings: list[str], defaulted: bool) -> None:
    content = example(name)
    verdict = check(with_defaults(content) if defaulted else content)
    assert verdict == Verdict(warnings=warnings)


@pytest.mark.parametrize("old", EXAMPLES)
@pytest.mark.parametrize("new", EXAMPLES)
def test_examples_may_follow_each_other_without_images(old: str, new: str) -> None:
    verdict = check(example(new), example(old), images_exist=False)
    assert verdict == Verdict(warnings=PLACEHOLDERS if new == "s3" else [])


@pytest.mark.parametrize("name", ["", "Cluster", "default"])
def test_the_only_config_is_cluster(name: str) -> None:
    [violation] = check({**config({}), "metadata": {"name": name}}).violations
    assert violation.reason == "WrongName"
    assert str(violation) == (
        f'metadata.name is "{name}", and the operator reads only Config cluster; '
        "set metadata.name to cluster"
    )


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {},
        {"storage": None, "imagePullSecret": None, "routes": None, "resources": None},
        {"managementState": None, "replicas": None, "disableRedirect": None, "logLevel": None},
        {"imagePullSecret": {"additionalRegistryHosts": None, "ignoredNamespaces": None}},
        {"resources": {"requests": None, "limits": {"cpu": "1"}}},
        {"routes": [{"name": "a", "hostname": None, "secretName": None}]},
    ],
    ids=str,
)
def test_null_is_absent(spec: object) -> None:
    assert check_spec(spec) == Verdict()


@pytest.mark.parametrize(
    ("spec", "reason", "message", "next_step"),
    [
        (
            {"managementState": "managed"},
            "UnknownManagementState",
            'spec.managementState is "managed", not one of Managed, Unmanaged, Removed, Force',
            "did you mean Managed?",
        ),
        (
            {"imagePullSecret": {"managementState": "Force"}},
            "UnknownManagementState",
            'spec.imagePullSecret.managementState is "Force", '
            "not one of Managed, Unmanaged, Removed",
            "set it to one of them",
        ),
        (
            {"storage": {"managementState": "Umanaged"}},
            "UnknownManagementState",
            'spec.storage.managementState is "Umanaged", not one of Managed, Unmanaged',
            "did you mean Unmanaged?",
        ),
        (
            {"rolloutStrategy": "rolling-update"},
            "UnknownRolloutStrategy",
            'spec.rolloutStrategy is "rolling-update", not one of Recreate, RollingUpdate',
            "did you mean RollingUpdate?",
        ),
        (
            {"logLevel": "Debig"},
            "UnknownLogLevel",
            'spec.logLevel is "Debig", not one of Normal, Debug, Trace, TraceAll',
            "did you mean Debug?",
        ),
        (
            {"operatorLogLevel": "x" * 1000},
            "UnknownLogLevel",
            f'spec.operatorLogLevel is "{"x" * 79}…", not one of Normal, Debug, Trace, TraceAll',
            "set it to one of them",
        ),
        (
            {"replicas": -1},
            "InvalidReplicas",
            "spec.replicas is -1, below 0",
            "set spec.replicas to 0 or more",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_unknown_value_is_refused_with_the_one_that_was_meant(
    spec: dict[str, Any], reason: str, message: str, next_step: str
) -> None:
    [violation] = check_spec(spec).violations
    assert (violation.reason, violation.message, violation.next_step) == (
        reason,
        message,
        next_step,
    )


@pytest.mark.parametrize(
    "spec",
    [{"managementState": state} for state in ("Managed", "Unmanaged", "Removed")]
    + [{"imagePullSecret": {"managementState": s}} for s in ("Managed", "Unmanaged", "Removed")]
    + [{"rolloutStrategy": strategy} for strategy in ("Recreate", "RollingUpdate")]
    + [{"logLevel": level} for level in ("Normal", "Debug", "Trace", "TraceAll")]
    + [{"replicas": 0, "managementState": "Removed"}],
    ids=str,
)
def test_known_values_are_allowed(spec: dict[str, Any]) -> None:
    assert check_spec(spec) == Verdict()


@pytest.mark.parametrize(
    ("spec", "warning"),
    [
        ({"managementState": "Force"}, "the operator does nothing: set it to Managed"),
        ({"replicas": 0}, "spec.replicas is 0: no push and no pull succeeds until it is 1 or more"),
        ({"readOnly": True}, "every push is refused, and pruning frees no storage"),
        ({"readOnly": True, "managementState": "Managed"}, "spec.readOnly is true"),
        ({"readOnly": False}, ""),
        ({"readOnly": True, "managementState": "Unmanaged"}, ""),
    ],
    ids=str,
)
def test_a_registry_that_does_not_serve_everything_gets_a_warning(
    spec: dict[str, Any], warning: str
) -> None:
    verdict = check_spec(spec)
    assert verdict.allowed
    assert len(verdict.warnings) == bool(warning)
    assert all(warning in text for text in verdict.warnings)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"storage": {"pvc": {"claim": "<claim>"}}}, "spec.storage.pvc.claim"),
        ({"storage": {"gcs": {"bucket": "<claim>"}}}, "spec.storage.gcs.bucket"),
        (
            {
                "storage": {
                    "s3": {"bucket": "abc", "region": "eu-1", "encrypt": True, "keyID": "<claim>"}
                }
            },
            "spec.storage.s3.keyID",
        ),
        (
            {"imagePullSecret": {"additionalRegistryHosts": ["a.example", "<claim>:5000"]}},
            "spec.imagePullSecret.additionalRegistryHosts[1]",
        ),
        (
            {"imagePullSecret": {"ignoredNamespaces": ["<claim>"]}},
            "spec.imagePullSecret.ignoredNamespaces[0]",
        ),
        ({"routes": [{"name": "a", "hostname": "<claim>.example"}]}, "spec.routes[0].hostname"),
        ({"logLevel": "<claim>"}, "spec.logLevel"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_placeholder_gets_a_warning(spec: dict[str, Any], path: str) -> None:
    assert check_spec(spec) == Verdict(warnings=[f"replace the placeholder <claim> in {path}"])


@pytest.mark.parametrize("bucket", ["<>", "<bucket", "bucket>", f"<{'x' * 101}>"])
def test_other_values_are_checked(bucket: str) -> None:
    verdict = check_spec({"storage": {"s3": {"bucket": bucket, "region": "eu-1"}}})
    assert reasons(verdict) == ["InvalidBucketName"]
    assert verdict.warnings == []


def test_every_mistake_is_named_at_once() -> None:
    content = config(
        {
            "managementState": "On",
            "replicas": -2,
            "storage": {"emptyDir": {}, "s3": {}},
            "imagePullSecret": {"ignoredNamespaces": ["*"]},
        },
        name="other",
    )
    assert reasons(check(content)) == [
        "WrongName",
        "UnknownManagementState",
        "InvalidReplicas",
        "TwoStorageBackends",
        "BucketMissing",
        "InvalidIgnoredNamespace",
    ]


def test_commands_name_the_group_of_the_domain() -> None:
    pvc = {"pvc": {"claim": "x"}}
    [violation] = check(
        config({"storage": {**pvc, "s3": {"bucket": "images"}}}),
        config({"storage": pvc}),
        domain="openshift.io",
    ).violations
    assert "kubectl patch configs.imageregistry.operator.openshift.io cluster" in str(violation)
