"""Objects and fields that the service wrote outside of its namespace are removed, nothing else."""

import pytest

from app.cluster.api import ApiError, ConflictError, NotFoundError
from app.controllers.cleanup import remove_everything_written
from app.controllers.pull_secrets.objects import Marks, secret_name
from app.model.domain import ApiDomain
from tests.unit.memory_cluster import CONFIGS, MemoryCluster

DOMAIN = ApiDomain()
QUOTA = "/api/v1/namespaces/team/resourcequotas/image-registry-quota"


def cluster() -> MemoryCluster:
    found = MemoryCluster()
    ours = secret_name("team", "builder")
    found.add_account("team", "builder", "own", ours)
    found.add_account("team", "other", "own")
    labels = {Marks.of(DOMAIN).label: "true"}
    for name, marks in ((ours, labels), ("own", {})):
        metadata = {"namespace": "team", "name": name, "labels": marks}
        found.keep(f"/api/v1/namespaces/team/secrets/{name}", {"metadata": metadata})
    counts = {"alauda.io/image-tags": "3", "pods": "7"}
    found.keep(
        QUOTA,
        {
            "metadata": {"namespace": "team", "name": "image-registry-quota"},
            "status": {"hard": counts, "used": counts},
        },
    )
    conditions = [{"type": "PullSecretsManaged"}, {"type": "Available"}]
    found.keep(
        f"{CONFIGS}/cluster",
        {"metadata": {"name": "cluster"}, "status": {"conditions": conditions}},
    )
    return found


async def test_pull_secrets_counts_and_conditions_go_and_all_else_stays() -> None:
    api = cluster()
    told: list[str] = []

    changed = await remove_everything_written(api, DOMAIN, told.append)

    secrets = [path.rpartition("/")[2] for path in api.objects if "/secrets/" in path]
    assert secrets == ["own"]
    accounts = "/api/v1/namespaces/team/serviceaccounts"
    assert api.objects[f"{accounts}/builder"]["imagePullSecrets"] == [{"name": "own"}]
    assert api.objects[QUOTA]["status"] == {"hard": {"pods": "7"}, "used": {"pods": "7"}}
    assert api.objects[f"{CONFIGS}/cluster"]["status"]["conditions"] == [{"type": "Available"}]
    assert changed == len(told) == 4


async def test_a_second_time_changes_nothing() -> None:
    api = cluster()
    await remove_everything_written(api, DOMAIN, lambda _: None)
    before = len(api.requests)

    assert await remove_everything_written(api, DOMAIN, lambda _: None) == 0
    assert len(api.requests) == before


async def test_an_object_that_cannot_be_changed_keeps_no_other() -> None:
    api = cluster()
    api.refuse = lambda path: (
        ConflictError(409, f"{path} has been modified") if "/serviceaccounts/" in path else None
    )
    told: list[str] = []

    with pytest.raises(ApiError, match="builder has been modified; run it again"):
        await remove_everything_written(api, DOMAIN, told.append)

    assert len(told) == 3
    api.refuse = lambda _: None
    assert await remove_everything_written(api, DOMAIN, told.append) == 1


async def test_a_secret_that_is_gone_meanwhile_needs_nothing() -> None:
    api = cluster()
    api.refuse = lambda path: NotFoundError(404, path) if "/secrets/" in path else None

    assert await remove_everything_written(api, DOMAIN, lambda _: None) == 3


async def test_a_cluster_without_the_registry_has_nothing_to_remove() -> None:
    assert await remove_everything_written(MemoryCluster(), DOMAIN, lambda _: None) == 0
