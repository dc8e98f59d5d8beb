"""Each opt-in component grants the rights that its controller needs, and no more."""

from pathlib import Path

import pytest

from .cluster import Cluster
from .domain import DOMAIN, REGISTRY
from .observed import becomes
from .pull_secrets import may, rights_of

pytestmark = pytest.mark.e2e

IN_REGISTRY = f"--namespace={REGISTRY}"
CONFIG = f"configs.imageregistry.operator.{DOMAIN}/cluster"
USER = "image-registry-private-configuration-user"
TARGET = "image-registry-private-configuration"
RIGHTS = {
    "pull-secrets": [
        ("list", ["serviceaccounts", "--all-namespaces"], True),
        ("patch", ["serviceaccounts", "--namespace=default"], True),
        ("create", ["serviceaccounts", "--subresource=token", "--namespace=default"], True),
        ("create", ["secrets", "--namespace=default"], True),
        ("patch", [CONFIG, "--subresource=status"], True),
        ("patch", [CONFIG], False),
        ("delete", ["serviceaccounts", "--namespace=default"], False),
        ("update", ["secrets", "--namespace=default"], False),
        ("create", ["pods", "--namespace=default"], False),
    ],
    "s3-credentials": [
        ("watch", [f"secrets/{USER}", IN_REGISTRY], True),
        ("patch", [f"secrets/{TARGET}", IN_REGISTRY], True),
        ("patch", [f"secrets/{USER}", IN_REGISTRY], False),
        ("list", ["secrets", IN_REGISTRY], False),
        ("watch", ["secrets", "--all-namespaces"], False),
        ("get", ["secrets/another", IN_REGISTRY], False),
        ("create", ["serviceaccounts", "--subresource=token", "--namespace=default"], False),
    ],
    "namespace-limits": [
        ("create", ["limitranges", "--namespace=default"], True),
        ("create", ["resourcequotas", "--namespace=default"], True),
        ("patch", ["limitranges", "--namespace=default"], False),
        ("delete", ["resourcequotas", "--namespace=default"], False),
    ],
}


@pytest.mark.parametrize("component", RIGHTS)
async def test_component_role_matches_its_controller(
    cluster: Cluster, tmp_path: Path, component: str
) -> None:
    """Wait, because the API server sees new and deleted roles a moment later."""

    def found() -> list[tuple[str, list[str], bool]]:
        return [(verb, what, may(cluster, verb, *what)) for verb, what, _ in RIGHTS[component]]

    with rights_of(cluster, tmp_path, component):
        await becomes("the rights", found, RIGHTS[component])
