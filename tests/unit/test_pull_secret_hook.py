"""The mutating hook on new ServiceAccounts."""

import asyncio
import copy
from typing import Any

import jsonpatch
import pytest

from app.admission.review import AdmissionRequest
from app.controllers.config import ConfigWatch
from app.controllers.pull_secrets.hook import PullSecretHook
from app.controllers.pull_secrets.objects import secret_name
from app.model.domain import ApiDomain
from tests.unit.controlled import OPTIONS
from tests.unit.memory_cluster import CONFIGS, MemoryCluster

NAME = secret_name("team-a", "app")
OWNER = "imageregistry.operator.alauda.io/pull-secrets-owner"


def config(spec: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    metadata = {"name": "cluster", **others.pop("metadata", {})}
    return {"metadata": metadata, "spec": spec or {}, **others}


def stood(status: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PullSecretsManaged", "status": status}]}


async def patched(
    account: dict[str, Any],
    *configs: dict[str, Any],
    namespace: str = "team-a",
    operation: str = "CREATE",
    loaded: bool = True,
) -> list[dict[str, str]] | None:
    """The pull secrets of a ServiceAccount after the webhook."""
    cluster = MemoryCluster()
    for content in configs:
        cluster.keep(f"{CONFIGS}/cluster", copy.deepcopy(content))
    watch = ConfigWatch(cluster, ApiDomain(), silence=100)
    watching = asyncio.create_task(watch.informer.run())
    if loaded:
        await watch.informer.synced.wait()
    hook = PullSecretHook(watch, OPTIONS)
    request = AdmissionRequest.model_validate(
        {
            "uid": "1",
            "kind": {"version": "v1", "kind": "ServiceAccount"},
            "namespace": namespace,
            "operation": operation,
            "object": account,
        }
    )
    outcome = hook.review(request)
    watching.cancel()
    assert outcome.allowed
    stored: dict[str, Any] = jsonpatch.apply_patch(account, outcome.patch)
    return stored.get("imagePullSecrets")


APP = {"metadata": {"name": "app"}}


@pytest.mark.parametrize(
    ("account", "stored"),
    [
        (APP, [NAME]),
        ({**APP, "imagePullSecrets": None}, [NAME]),
        ({**APP, "imagePullSecrets": [{"name": "users"}]}, ["users", NAME]),
        ({**APP, "imagePullSecrets": [{"name": NAME}]}, [NAME]),
    ],
    ids=["none", "null", "the user's", "ours already"],
)
async def test_pull_secret_is_added_to_the_users_list(
    account: dict[str, Any], stored: list[str]
) -> None:
    found = await patched(account, config())

    assert [entry["name"] for entry in found or []] == stored


@pytest.mark.parametrize(
    ("account", "configs", "options"),
    [
        (APP, [], {}),
        (APP, [config()], {"loaded": False}),
        (APP, [config()], {"namespace": "kube-public"}),
        (APP, [config()], {"operation": "UPDATE"}),
        (APP, [config({"imagePullSecret": {"managementState": "Removed"}})], {}),
        (APP, [config(status=stood("False"))], {}),
        (APP, [config(metadata={"annotations": {OWNER: "operator"}})], {}),
        ({"metadata": {"generateName": "app-"}}, [config()], {}),
        (
            {"metadata": {"name": "app", "annotations":
                          {"alauda.io/internal-registry-pull-secret-ref": "x"}}},
            [config()],
            {},
        ),
    ],
    ids=["no Config", "not loaded", "system namespace", "update", "removed", "controller off",
         "another owner", "no name yet", "claimed"],
)  # fmt: skip
async def test_unmanaged_service_account_is_not_changed(
    account: dict[str, Any], configs: list[dict[str, Any]], options: dict[str, Any]
) -> None:
    assert await patched(account, *configs, **options) is None


async def test_unavailable_controller_does_not_block_creation() -> None:
    assert await patched(APP, config(status=stood("True"))) == [{"name": NAME}]
