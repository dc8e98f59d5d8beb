"""Limit objects are checked in every form of a write, and quantities in every spelling."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .cluster import Cluster
from .domain import API, DOMAIN
from .replicas import Replicas
from .storage import Answering

pytestmark = pytest.mark.e2e

IMAGE, STREAM = f"{DOMAIN}/Image", f"{DOMAIN}/ImageStream"
IMAGES, TAGS = f"{DOMAIN}/images", f"{DOMAIN}/image-tags"
FORMS = [("apply",), ("apply", "--server-side", "--force-conflicts"), ("replace",)]


@pytest.fixture(scope="module")
def replicas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with Answering(cluster, tmp_path_factory.mktemp("limits"), 1) as running:
        yield running


def limit_range(*limits: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"},
        "spec": {"limits": list(limits)},
    }  # fmt: skip


def quota(hard: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota"},
        "spec": {"hard": hard, **spec},
    }  # fmt: skip


VALID = [
    limit_range({"type": IMAGE, "max": {"storage": "1Gi"}}),
    quota({IMAGES: "20"}),
]
WRONG = [
    (
        limit_range({"type": f"{DOMAIN}/Images", "max": {"storage": "1Gi"}}),
        f"did you mean {IMAGE}?",
    ),
    (quota({f"{DOMAIN}/image": "20"}), f"did you mean {IMAGES}?"),
]


def written(
    cluster: Cluster, namespace: str, content: dict[str, Any], *form: str
) -> tuple[int, str]:
    """The exit code and what kubectl says beside the result.

    `kubectl replace` reads the version and then writes. A controller that writes the status of a
    quota between the two causes a conflict.
    """
    where = (f"--namespace={namespace}", "--filename=-")
    text = json.dumps(content)
    while True:
        answer = cluster.kubectl(*form, *where, input=text, check=False)
        if "the object has been modified" not in answer.stderr:
            return answer.returncode, answer.stderr


@pytest.mark.parametrize("form", FORMS, ids=" ".join)
def test_a_misspelled_limit_is_refused_in_any_form(
    cluster: Cluster, replicas: Replicas, namespace: str, form: tuple[str, ...]
) -> None:
    for valid, (wrong, text) in zip(VALID, WRONG, strict=True):
        assert written(cluster, namespace, valid, "create") == (0, "")
        code, said = written(cluster, namespace, wrong, *form)
        assert (code, text in said) == (1, True), said
        assert f"{wrong['kind']} {namespace}/{wrong['metadata']['name']}: " in said
        # The stored object has managed fields, and may be written again as it is. A controller
        # writes the status of quotas meanwhile, so no version is expected.
        plural = f"{wrong['kind'].lower()}s/{wrong['metadata']['name']}"
        found = cluster.kubectl("get", plural, f"--namespace={namespace}", "-o", "json").stdout
        stored = json.loads(found)
        del stored["metadata"]["resourceVersion"]
        assert written(cluster, namespace, stored, "replace") == (0, "")


def test_patches_and_generators_are_checked(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    where = f"--namespace={namespace}"
    assert written(cluster, namespace, VALID[1], "create") == (0, "")

    def patched(patch: object, kind: str) -> str:
        return cluster.kubectl(
            "patch", "quota", "quota", where, f"--type={kind}", f"--patch={json.dumps(patch)}",
            check=False,
        ).stderr  # fmt: skip

    assert "did you mean" in patched({"spec": {"hard": {f"{DOMAIN}/image-tag": "5"}}}, "merge")
    path = f"/spec/hard/{IMAGES.replace('/', '~1')}"
    assert "must be an integer" in patched(
        [{"op": "replace", "path": path, "value": "1.5"}], "json"
    )
    assert patched({"spec": {"hard": {IMAGES: None, TAGS: "7"}}}, "strategic") == ""
    mode = ("annotate", "quota", "quota", where, f"{API.mode_annotation}=wran")
    assert "has the unknown value 'wran'" in cluster.kubectl(*mode, check=False).stderr

    def generated(name: str, *flags: str) -> str:
        return cluster.kubectl("create", "quota", name, where, *flags, check=False).stderr

    assert "did you mean" in generated("one", f"--hard={DOMAIN}/imagestream=5")
    assert "images have no scope" in generated("two", f"--hard={IMAGES}=5", "--scopes=BestEffort")
    assert generated("three", f"--hard={IMAGES}=5,{TAGS}=7,pods=3") == ""
    tried = generated("four", f"--hard={DOMAIN}/imagestream=5", "--dry-run=server")
    assert "did you mean" in tried


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (20, ""),
        ("1e3", ""),
        ("5 ", ""),
        (" 5", ""),
        ("0", ""),
        ("2k", ""),
        ("0.5", "must be an integer"),
        ("500m", "must be an integer"),
        ("10Gi", "and it is a count"),
        ("-1", "must be greater than or equal to 0"),
        ("5x", "quantities must match"),
        ("", "quantities must match"),
    ],
    ids=repr,
)
def test_a_count_is_read_as_the_api_server_reads_it(
    cluster: Cluster, replicas: Replicas, namespace: str, number: object, said: str
) -> None:
    code, text = written(cluster, namespace, quota({IMAGES: number}), "create")

    assert said in text
    assert bool(text) is bool(said), text
    assert code == (0 if not said or text.startswith("Warning: ") else 1)


def test_several_items_and_defaults_are_read_together(
    cluster: Cluster, replicas: Replicas, namespace: str
) -> None:
    content = limit_range(
        {"type": IMAGE, "max": {"storage": "500Mi"}, "min": {"storage": "1Mi"}},
        {"type": STREAM, "max": {IMAGES: "10", TAGS: "10"}},
        {"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "500m"}},
    )

    code, text = written(cluster, namespace, content, "create")

    assert code == 0, text
    assert text.splitlines() == [
        f"Warning: LimitRange {namespace}/limits: spec.limits[0].min is ignored: type {IMAGE} has "
        "only max"
    ]
