"""The installed service with every source of certificates, as users see it."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.certs import files
from app.certs.cluster import service_names
from tests.e2e.observed import limits_of_the_page, used
from tests.e2e.pushes import Push, Pusher
from tests.node.installation import (
    IN_NAMESPACE,
    NAMESPACE,
    eventually,
    installed,
    logs,
    metrics,
    overlaid,
    pods,
)
from tests.node.node import Node

GI = 1024**3
LIMITED = "team-a"


def by_command(node: Node, folder: Path, running: ExitStack) -> None:
    installed(node)


def with_a_certificate(node: Node, folder: Path, running: ExitStack) -> None:
    files.make(folder, service_names(NAMESPACE, NAMESPACE))
    installed(node, "--tls-dir", str(folder))


def by_cert_manager(node: Node, folder: Path, running: ExitStack) -> None:
    running.enter_context(node.cert_manager())
    overlaid(node, "cert-manager")
    eventually(lambda: ca_bundles(node), lambda bundles: bundles != {None})


def by_overlay(node: Node, folder: Path, running: ExitStack) -> None:
    overlaid(node, "self-signed")


@pytest.fixture
def limited_team(empty: Node) -> Iterator[None]:
    empty.create_namespace(LIMITED)
    yield
    empty.remove_namespace(LIMITED)


@pytest.fixture(params=[by_command, with_a_certificate, by_cert_manager, by_overlay])
def in_its_ways(
    empty: Node, limited_team: None, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Node]:
    """A node with the service installed with one source of certificates."""
    install: Callable[[Node, Path, ExitStack], None] = request.param
    with ExitStack() as running:
        install(empty, tmp_path, running)
        yield empty


def ca_bundles(node: Node) -> set[str | None]:
    """The CA bundles of the validating webhooks."""
    found = json.loads(
        node.kubectl("get", "validatingwebhookconfiguration", NAMESPACE, "--output=json").stdout
    )
    return {one["clientConfig"].get("caBundle") for one in found["webhooks"]}


async def test_the_installed_service_enforces_the_limits_and_shows_the_counts(
    in_its_ways: Node,
) -> None:
    node = in_its_ways
    limits_of_the_page(node, LIMITED)
    eventually(lambda: used(node, LIMITED).get("alauda.io/image-tags"), lambda it: it == "0")
    pusher = Pusher(node)

    [stored, refused] = await pusher.push(
        [Push(LIMITED, "app", "v1"), Push(LIMITED, "app", "large", 2 * GI)]
    )

    assert stored.admitted, stored.message
    assert refused.code == 403
    assert "requested usage of storage exceeds the maximum limit per alauda.io/Image" in (
        refused.message
    )
    described = node.kubectl("describe", "quota", "--namespace", LIMITED).stdout
    assert re.search(r"alauda\.io/image-tags +0 +200", described), described
    event = eventually(
        lambda: node.kubectl(
            "get", "events", "--namespace", LIMITED,
            "--field-selector=type=Warning,involvedObject.kind=ImageStream",
            "--output=jsonpath={.items[*].message}",
        ).stdout
    )  # fmt: skip
    assert "2Gi > 1Gi" in event
    counted = sum(
        float(line.split()[-1])
        for pod in pods(node)
        for line in metrics(node, pod["metadata"]["name"]).splitlines()
        if line.startswith("registry_admission_reviews_total{") and 'verdict="denied"' in line
    )
    assert counted >= 1
    for name, lines in logs(node).items():
        assert lines, name
        for line in lines:
            assert json.loads(line)["message"], f"{name}: {line}"
    enforced = node.kubectl(
        "get", "namespace", NAMESPACE,
        "--output=jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}",
    ).stdout  # fmt: skip
    assert enforced == "restricted"
    warnings = node.kubectl(
        "get", "events", IN_NAMESPACE, "--field-selector=type=Warning,reason=FailedCreate"
    )
    assert warnings.stdout == ""
