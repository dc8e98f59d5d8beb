"""The resources of the Pods of Config/cluster and ImagePruner/cluster."""

from typing import Any

import pytest

from tests.unit.registry_configs import check_spec, reasons

GPU = "nvidia.com/gpu"
PAGES = "hugepages-2Mi"


@pytest.mark.parametrize("kind", ["requests", "limits"])
def test_an_amount_of_resources_is_not_below_zero(kind: str) -> None:
    [violation] = check_spec({"resources": {kind: {"cpu": "-500m", "memory": "0"}}}).violations
    assert violation.reason == "NegativeResource"
    assert str(violation) == (
        f"spec.resources.{kind}.cpu is -500m, below 0; set spec.resources.{kind}.cpu to 0 or more"
    )


@pytest.mark.parametrize(
    ("requests", "limits", "refused"),
    [
        ({"cpu": "500m", "memory": "500Mi"}, {"cpu": "0.5", "memory": "500Mi"}, []),
        ({"cpu": "2"}, {"memory": "1Gi"}, []),
        ({"cpu": "1001m"}, {"cpu": 1}, ["cpu is 1001m, above spec.resources.limits.cpu"]),
        (
            {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "1"},
            {"cpu": "1", "memory": "1G", "ephemeral-storage": "1"},
            [
                "cpu is 2, above spec.resources.limits.cpu",
                "memory is 1Gi, above spec.resources.limits.memory",
            ],
        ),
    ],
    ids=str,
)
def test_requests_stay_within_limits(
    requests: dict[str, Any], limits: dict[str, Any], refused: list[str]
) -> None:
    verdict = check_spec({"resources": {"requests": requests, "limits": limits}})
    assert reasons(verdict) == ["RequestAboveLimit"] * len(refused)
    for violation, start in zip(verdict.violations, refused, strict=True):
        assert violation.message.startswith(f"spec.resources.requests.{start}")


@pytest.mark.parametrize("kind", ["requests", "limits"])
@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("cpu", True),
        ("memory", True),
        ("ephemeral-storage", True),
        ("kubernetes.io/batch", True),
        ("<resource>", True),
        ("cpus", False),
        ("Memory", False),
        ("requests.cpu", False),
        ("a/b/c", False),
        ("A.b/c", False),
        ("a.b/", False),
        ("", False),
    ],
)
def test_resources_have_names_that_a_container_can_have(kind: str, name: str, valid: bool) -> None:
    found = reasons(check_spec({"resources": {kind: {name: "1"}}}))
    assert ("InvalidResourceName" in found) == (not valid)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        (GPU, True),
        ("a_b.c/d", False),
        ("requests.example.com/gpu", False),
        (f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 52}/e", True),
        (f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 53}/e", False),
    ],
)
def test_an_extended_resource_has_a_domain_with_room_for_requests(name: str, valid: bool) -> None:
    found = reasons(check_spec({"resources": {"limits": {name: "1"}}}))
    assert found == ([] if valid else ["InvalidResourceName"])


@pytest.mark.parametrize(
    ("name", "next_step"),
    [
        ("cpus", "did you mean cpu?"),
        ("Memory", "did you mean memory?"),
        ("ephemeralStorage", "did you mean ephemeral-storage?"),
        (
            "disk",
            "name one of cpu, memory, ephemeral-storage, hugepages-<size> or <domain>/<resource>",
        ),
    ],
)
def test_a_misspelled_resource_suggests_the_right_one(name: str, next_step: str) -> None:
    [violation] = check_spec({"resources": {"limits": {name: "1"}}}).violations
    assert str(violation) == (
        f'spec.resources.limits has "{name}", which is no resource of a container; {next_step}'
    )


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ({GPU: "2"}, []),
        ({GPU: "2000m"}, []),
        ({"a.b/c": "1.5"}, ["InvalidResourceAmount"]),
        ({"kubernetes.io/batch": "1.5"}, []),
        ({"cpu": "1.5", "memory": "1.5"}, []),
        ({"cpu": "1", PAGES: "4Mi"}, []),
        ({"memory": "1", PAGES: "0"}, []),
        ({"cpu": "1", PAGES: "3Mi"}, ["InvalidResourceAmount"]),
        ({"cpu": "1", "hugepages-large": "1Gi"}, ["InvalidResourceAmount"]),
        ({"cpu": "1", "hugepages-0": "1Gi"}, ["InvalidResourceAmount"]),
        ({PAGES: "4Mi", "ephemeral-storage": "1Gi"}, ["HugePagesAlone"]),
    ],
    ids=str,
)
def test_devices_and_pages_are_whole(amounts: dict[str, Any], expected: list[str]) -> None:
    assert reasons(check_spec({"resources": {"limits": amounts}})) == expected


@pytest.mark.parametrize(
    ("requests", "limits", "expected"),
    [
        ({GPU: 1}, {GPU: 1}, []),
        ({}, {GPU: 1}, []),
        ({GPU: 1}, {GPU: 2}, ["RequestNotLimit"]),
        ({GPU: 2}, {GPU: 1}, ["RequestNotLimit"]),
        ({GPU: 1}, {}, ["RequestNotLimit"]),
        ({"cpu": 1, PAGES: "1Gi"}, {PAGES: "1024Mi"}, []),
        ({"cpu": 1, PAGES: "1Gi"}, {PAGES: "2Gi"}, ["RequestNotLimit"]),
        ({"cpu": 1, PAGES: "1Gi"}, {}, ["RequestNotLimit"]),
        ({"kubernetes.io/batch": 1}, {"kubernetes.io/batch": 2}, []),
    ],
    ids=str,
)
def test_devices_and_pages_are_requested_as_they_are_limited(
    requests: dict[str, Any], limits: dict[str, Any], expected: list[str]
) -> None:
    assert reasons(check_spec({"resources": {"requests": requests, "limits": limits}})) == expected


def test_a_request_without_its_limit_says_what_to_set() -> None:
    [violation] = check_spec({"resources": {"requests": {GPU: "1"}}}).violations
    assert str(violation) == (
        "spec.resources.requests.nvidia.com/gpu is 1, and spec.resources.limits.nvidia.com/gpu is "
        "missing; set spec.resources.limits.nvidia.com/gpu to the same amount: this resource "
        "cannot be overcommitted"
    )
