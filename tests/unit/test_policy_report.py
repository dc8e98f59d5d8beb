"""Audits as PolicyReports."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.model.limits import NO_LIMITS, NamespaceLimits
from app.quota.usage import NamespaceUsage, StreamUsage
from app.reporting import policy_report
from app.reporting.audit import audit
from tests.unit.stores import DOMAIN, limit, quota

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64


def report(limits: NamespaceLimits, size: int | None = None) -> dict[str, Any]:
    """The audit of a namespace with one stream, whose two tags hold one image."""
    usage = NamespaceUsage()
    usage.put("app", StreamUsage({"v1": (DIGEST,), "v2": (DIGEST,)}))
    known = {} if size is None else {DIGEST: size}
    item = audit("team-a", usage, limits, sizes=known, pushed={}, domain=DOMAIN, top=0)
    return policy_report.of(item, DOMAIN, NOW)


SOURCE = {"source": "registry-admission", "category": "Image registry limits"}
TAGS = {
    "rule": "alauda.io/image-tags",
    "severity": "high",
    "message": "2 of alauda.io/image-tags in use, 1 allowed, 1 over.",
    "properties": {"used": "2", "hard": "1", "over": "1"},
}
TIME = {"timestamp": {"seconds": 1767323045, "nanos": 0}}


def test_one_report_object_for_each_namespace() -> None:
    found = report(NO_LIMITS)
    assert (found["apiVersion"], found["kind"]) == ("wgpolicyk8s.io/v1alpha2", "PolicyReport")
    assert found["metadata"]["namespace"] == "team-a"
    assert found["scope"] == {"apiVersion": "v1", "kind": "Namespace", "name": "team-a"}


@pytest.mark.parametrize(
    ("limits", "summary", "results"),
    [
        pytest.param(
            NO_LIMITS,
            {"skip": 1},
            [("skip", "registry-admission", "no-limit")],
            id="nothing limits it",
        ),
        pytest.param(
            NamespaceLimits(stream_tags=limit("2"), quotas=(quota(images=1),)),
            {"pass": 2},
            [
                ("pass", "LimitRange/limits", "alauda.io/image-tags"),
                ("pass", "ResourceQuota/q", "alauda.io/images"),
            ],
            id="limits that are kept",
        ),
        pytest.param(
            NamespaceLimits(stream_tags=limit("1"), stream_images=limit("1")),
            {"pass": 1, "fail": 1},
            [
                ("fail", "LimitRange/limits", "alauda.io/image-tags"),
                ("pass", "LimitRange/limits", "alauda.io/images"),
            ],
            id="one that is passed",
        ),
        pytest.param(
            NamespaceLimits(image_size=limit("1Ki")),
            {"pass": 1, "warn": 1},
            [
                ("warn", "registry-admission", "unknown-image-size"),
                ("pass", "LimitRange/limits", "storage"),
            ],
            id="an image of unknown size",
        ),
    ],
)
def test_results_add_up_to_the_summary(
    limits: NamespaceLimits, summary: dict[str, int], results: list[tuple[str, str, str]]
) -> None:
    found = report(limits)
    counts = {"pass": 0, "fail": 0, "warn": 0, "error": 0, "skip": 0}
    assert found["summary"] == {**counts, **summary}
    assert [(r["result"], r["policy"], r["rule"]) for r in found["results"]] == results
    assert all(r["scored"] is (r["result"] != "warn") for r in found["results"])


@pytest.mark.parametrize(
    ("limits", "failure"),
    [
        pytest.param(
            NamespaceLimits(quotas=(quota(image_tags=1),)),
            {
                "policy": "ResourceQuota/q",
                **TAGS,
                "resources": [{"apiVersion": "v1", "kind": "Namespace", "name": "team-a"}],
            },
            id="the namespace",
        ),
        pytest.param(
            NamespaceLimits(stream_tags=limit("1")),
            {
                "policy": "LimitRange/limits",
                **TAGS,
                "resources": [
                    {
                        "apiVersion": "image.alauda.io/v1",
                        "kind": "ImageStream",
                        "name": "app",
                        "namespace": "team-a",
                    }
                ],
            },
            id="a stream",
        ),
        pytest.param(
            NamespaceLimits(image_size=limit("1Ki")),
            {
                "policy": "LimitRange/limits",
                "rule": "storage",
                "severity": "medium",
                "message": "1500 of storage in use, 1Ki allowed, 476 over.",
                "resources": [
                    {"apiVersion": "image.alauda.io/v1", "kind": "Image", "name": DIGEST}
                ],
                "properties": {"used": "1500", "hard": "1Ki", "over": "476"},
            },
            id="an image",
        ),
    ],
)
def test_failed_result_names_the_exceeded_limit(
    limits: NamespaceLimits, failure: dict[str, Any]
) -> None:
    [found] = [r for r in report(limits, size=1500)["results"] if r["result"] == "fail"]
    assert found == {**SOURCE, **TIME, "result": "fail", "scored": True, **failure}


def test_report_lists_the_worst_and_counts_all() -> None:
    usage = NamespaceUsage()
    for number in range(700):
        usage.put(f"app-{number:03}", StreamUsage({f"v{i}": () for i in range(number + 1)}))
    limits = NamespaceLimits(stream_tags=limit("1"))
    item = audit("team-a", usage, limits, sizes={}, pushed={}, domain=DOMAIN, top=0)
    found = policy_report.of(item, DOMAIN, NOW)
    assert found["summary"]["fail"] == 699
    assert len(found["results"]) == 500
    assert found["results"][0]["resources"][0]["name"] == "app-699"
