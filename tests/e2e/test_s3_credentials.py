"""The user's storage credentials in the private configuration, on a real API server."""

import asyncio
import base64
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.certs import files

from .cluster import Cluster
from .domain import REGISTRY
from .observed import becomes
from .pull_secrets import condition, configure, rights_of, unconfigure
from .replicas import Replica

pytestmark = pytest.mark.e2e

IN_REGISTRY = f"--namespace={REGISTRY}"
USER = "image-registry-private-configuration-user"
TARGET = "image-registry-private-configuration"
ACCESS, SECRET = "REGISTRY_STORAGE_S3_ACCESSKEY", "REGISTRY_STORAGE_S3_SECRETKEY"


@pytest.fixture
def service(cluster: Cluster, tmp_path: Path) -> Iterator[Replica]:
    """A service with no more rights than the component grants."""
    files.make(tmp_path / "tls", ["localhost", "127.0.0.1"])
    flags = ("--tls-dir", str(tmp_path / "tls"), "--controllers", "s3-credentials")
    with rights_of(cluster, tmp_path, "s3-credentials") as kubeconfig:
        replica = Replica(kubeconfig, tmp_path, 0, flags)
        yield replica
        replica.stop()
    unconfigure(cluster)
    cluster.kubectl("delete", "secret", USER, TARGET, IN_REGISTRY, "--ignore-not-found")


def keep(cluster: Cluster, name: str, manager: str = "kubectl", **data: str) -> None:
    """Create a Secret, or replace its data."""
    content = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }  # fmt: skip
    written = "replace"
    if cluster.kubectl("get", "secret", name, IN_REGISTRY, check=False).returncode:
        written = "create"
    cluster.kubectl(written, IN_REGISTRY, f"--field-manager={manager}", "--filename=-",
                    input=json.dumps(content))  # fmt: skip


def kept(cluster: Cluster) -> dict[str, str] | None:
    """The private configuration, None if there is none."""
    found = cluster.kubectl(
        "get", "secret", TARGET, IN_REGISTRY, "--output=json", "--ignore-not-found"
    )
    if not found.stdout:
        return None
    data = json.loads(found.stdout).get("data", {})
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def stands(cluster: Cluster) -> str:
    return condition(cluster, "S3CredentialsMerged")[0]


def told(cluster: Cluster) -> str:
    return condition(cluster, "S3CredentialsMerged")[1]


@pytest.mark.usefixtures("service")
async def test_the_users_keys_win_and_removal_follows(cluster: Cluster) -> None:
    keep(cluster, TARGET, **{"OTHER": "of-others", ACCESS: "old"})
    keep(cluster, USER, **{ACCESS: "id", SECRET: "key"})
    await asyncio.sleep(3)
    assert kept(cluster) == {"OTHER": "of-others", ACCESS: "old"}, "nothing without a Config"

    configure(cluster)
    merged = {"OTHER": "of-others", ACCESS: "id", SECRET: "key"}
    await becomes("merged", partial(kept, cluster), merged)
    assert stands(cluster) == "True"

    keep(cluster, USER, **{ACCESS: "id-2", SECRET: "key-2"})
    merged |= {ACCESS: "id-2", SECRET: "key-2"}
    await becomes("changed", partial(kept, cluster), merged)

    cluster.kubectl(
        "patch", "secret", TARGET, IN_REGISTRY, "-p", json.dumps({"data": {SECRET: None}})
    )
    await becomes("repaired", partial(kept, cluster), merged)

    keep(cluster, USER, **{ACCESS: "half"})
    await becomes("refused", lambda: "set both" in told(cluster), True)
    assert kept(cluster) == merged, "half a pair replaces nothing"

    cluster.kubectl("delete", "secret", USER, IN_REGISTRY)
    await becomes("removed", partial(kept, cluster), {"OTHER": "of-others"})


@pytest.mark.usefixtures("service")
async def test_own_private_configuration_is_removed_with_the_users(cluster: Cluster) -> None:
    configure(cluster)
    keep(cluster, USER, **{ACCESS: "id", SECRET: "key"})
    await becomes("merged", partial(kept, cluster), {ACCESS: "id", SECRET: "key"})

    cluster.kubectl("delete", "secret", USER, IN_REGISTRY)

    await becomes("gone", partial(kept, cluster), None)


@pytest.mark.usefixtures("service")
async def test_keys_of_the_operator_are_kept(cluster: Cluster) -> None:
    configure(cluster)
    keep(cluster, TARGET, manager="image-registry-operator", **{ACCESS: "theirs"})
    keep(cluster, USER, **{ACCESS: "id", SECRET: "key"})

    await becomes("off", partial(stands, cluster), "False")
    assert f"field manager image-registry-operator on {ACCESS}" in told(cluster)
    assert kept(cluster) == {ACCESS: "theirs"}

    cluster.kubectl("delete", "secret", TARGET, IN_REGISTRY)
    await becomes("on again", partial(kept, cluster), {ACCESS: "id", SECRET: "key"})
    await becomes("on again", partial(stands, cluster), "True")
