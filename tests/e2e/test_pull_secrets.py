"""Managed pull secrets, from the first ServiceAccount to the last one, on a real API server."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.certs import files

from .cluster import Cluster
from .domain import DOMAIN
from .observed import becomes
from .pull_secrets import (
    CONFIG,
    HOST,
    LABEL,
    condition,
    configure,
    hook,
    is_complete,
    is_gone,
    logins,
    named,
    objects,
    ours,
    rights_of,
    secrets,
    token_of,
    unconfigure,
    unhook,
    who,
)
from .replicas import Replica

pytestmark = pytest.mark.e2e

QUICK = ("--pull-secret-life", "600", "--pull-secret-refresh", "0.01")
"""The shortest life that the API server grants; a token is refreshed after five to six seconds."""
PATIENT = ("--pull-secret-life", "600")
OWN = '{"imagePullSecrets": [{"name": "of-the-user"}]}'


@pytest.fixture
def start(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """Starts a service with no more rights than the component gives, and ends it."""
    files.make(tmp_path / "tls", ["localhost", "127.0.0.1"])
    running: list[Replica] = []
    with rights_of(cluster, tmp_path, "pull-secrets") as kubeconfig:

        def started(*flags: str) -> Replica:
            common = ("--tls-dir", str(tmp_path / "tls"), "--controllers", "pull-secrets")
            replica = Replica(kubeconfig, tmp_path, len(running), (*common, *flags))
            running.append(replica)
            return replica

        yield started
        unhook(cluster)
        for replica in running:
            replica.stop()


@pytest.fixture
def team(cluster: Cluster) -> Iterator[Callable[[str], str]]:
    """Makes namespaces whose ServiceAccount `default` has a pull secret of the user's own."""
    made: list[str] = []

    def namespace(name: str) -> str:
        cluster.kubectl("create", "namespace", name)
        made.append(name)
        cluster.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}")
        cluster.kubectl("patch", "serviceaccount", "default", f"--namespace={name}", "-p", OWN)
        return name

    yield namespace
    unconfigure(cluster)
    cluster.kubectl("delete", "namespace", *made, "--wait=false")
    cluster.kubectl("delete", "secrets", "--all-namespaces", f"--selector={LABEL}")


def stands(cluster: Cluster) -> str:
    return condition(cluster, "PullSecretsManaged")[0]


def told(cluster: Cluster) -> str:
    return condition(cluster, "PullSecretsManaged")[1]


async def test_lifecycle_of_a_pull_secret(
    cluster: Cluster, start: Callable[..., Replica], team: Callable[[str], str]
) -> None:
    a, b = team("pulls-a"), team("pulls-b")
    start(*PATIENT)
    await asyncio.sleep(3)
    assert secrets(cluster) == {}, "nothing is managed without a Config"

    configure(cluster, additionalRegistryHosts=["registry.example.com"])
    for namespace in (a, b):
        await becomes(f"{namespace} managed", partial(is_complete, cluster, namespace), True)
    secret = secrets(cluster, a)["default"]
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert {HOST, "registry.example.com"} <= logins(secret).keys()
    assert len(set(logins(secret).values())) == 1
    token = token_of(cluster, a)
    assert who(cluster, token) == f"system:serviceaccount:{a}:default"
    await becomes("told", partial(stands, cluster), "True")
    assert ours(cluster, b) != ours(cluster, a), "a copy in another namespace is not taken for ours"

    # A host is dropped: the Secret is written anew.
    configure(cluster, additionalRegistryHosts=[])

    def names_dropped_host() -> bool:
        return "registry.example.com" in logins(secrets(cluster, a)["default"])

    await becomes("the dropped host", names_dropped_host, False)
    assert who(cluster, token_of(cluster, a))

    # An edited Secret is repaired. A deleted Secret is made again, and its old token is invalid.
    name = secret["metadata"]["name"]
    edited = '{"stringData": {".dockerconfigjson": "{\\"auths\\":{}}"}}'
    cluster.kubectl("patch", "secret", name, f"--namespace={a}", "-p", edited)
    await becomes("the edited Secret", partial(is_complete, cluster, a), True)
    old = token_of(cluster, a)
    cluster.kubectl("delete", "secret", name, f"--namespace={a}")
    await becomes("the deleted Secret", partial(is_complete, cluster, a), True)
    await becomes("the old token", partial(who, cluster, old), "")
    cluster.kubectl("patch", "sa", "default", f"--namespace={a}", "--type=merge", "-p", OWN)
    await becomes("the removed entry", partial(is_complete, cluster, a), True)
    cluster.kubectl("label", "secret", name, f"--namespace={a}", f"{LABEL.partition('=')[0]}-")
    await becomes("the removed label", partial(is_complete, cluster, a), True)

    # The Secret is deleted together with its ServiceAccount.
    cluster.kubectl("create", "serviceaccount", "builder", f"--namespace={a}")
    await becomes("builder", lambda: bool(token_of(cluster, a, "builder")), True)
    cluster.kubectl("delete", "serviceaccount", "builder", f"--namespace={a}")
    await becomes("builder's Secret", lambda: "builder" in secrets(cluster, a), False)

    configure(cluster, ignoredNamespaces=[a])
    await becomes("the ignored namespace", partial(is_gone, cluster, a), True)
    assert is_complete(cluster, b)
    configure(cluster)
    await becomes("managed again", partial(is_complete, cluster, a), True)
    last = token_of(cluster, a)

    configure(cluster, managementState="Unmanaged")
    await becomes("Secrets left", partial(secrets, cluster), {})
    for namespace in (a, b):
        assert named(cluster, namespace) == ["of-the-user"]
    await becomes("the revoked token", partial(who, cluster, last), "")


async def test_token_refresh_survives_a_restart(
    cluster: Cluster, start: Callable[..., Replica], team: Callable[[str], str]
) -> None:
    namespace = team("pulls-refreshed")
    configure(cluster)
    first = start(*QUICK)
    await becomes("managed", partial(is_complete, cluster, namespace), True)
    old = token_of(cluster, namespace)
    await becomes("same token", lambda: token_of(cluster, namespace) == old, False)
    assert who(cluster, token_of(cluster, namespace))
    assert who(cluster, old), "Pods that start now may still have read the one before"
    assert first.stop() == 0

    patient = start(*PATIENT)
    kept = token_of(cluster, namespace)
    late = team("pulls-late")
    await becomes("at work again", partial(is_complete, cluster, late), True)
    assert token_of(cluster, namespace) == kept, "a restart alone refreshes nothing"
    patient.stop()

    start(*QUICK)
    await becomes("same token", lambda: token_of(cluster, namespace) == kept, False)


async def test_a_new_service_account_names_its_pull_secret_at_once(
    cluster: Cluster, start: Callable[..., Replica], team: Callable[[str], str], tmp_path: Path
) -> None:
    namespace = team("pulls-hooked")
    configure(cluster)
    replica = start(*PATIENT)
    await becomes("managed", partial(is_complete, cluster, namespace), True)
    hook(cluster, replica, (tmp_path / "tls" / files.AUTHORITY).read_bytes())

    def created(name: str, where: str, **content: Any) -> list[str]:
        account = {
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}, **content,
        }  # fmt: skip
        answer = cluster.kubectl(
            "create", f"--namespace={where}", "--output=json", "--filename=-",
            input=json.dumps(account),
        )  # fmt: skip
        return [one["name"] for one in json.loads(answer.stdout).get("imagePullSecrets", [])]

    # API servers hear of the webhook a moment later.
    serial = iter(range(1000))
    await becomes("asked", lambda: len(created(f"asked-{next(serial)}", namespace)), 1)
    own = created("app", namespace, imagePullSecrets=[{"name": "of-the-user"}])

    assert own[0] == "of-the-user"
    await becomes("a token", lambda: bool(token_of(cluster, namespace, "app")), True)
    assert secrets(cluster, namespace)["app"]["metadata"]["name"] == own[1]
    assert named(cluster, namespace, "app") == own, "and the controller finds nothing to add"
    assert created("app", "kube-public") == []
    cluster.kubectl("delete", "serviceaccount", "app", "--namespace=kube-public")


async def test_another_owner_turns_the_controller_off(
    cluster: Cluster, start: Callable[..., Replica], team: Callable[[str], str]
) -> None:
    a, b = team("pulls-owned"), team("pulls-other")
    configure(cluster)
    replica = start(*PATIENT)
    for namespace in (a, b):
        await becomes(f"{namespace} managed", partial(is_complete, cluster, namespace), True)

    # A tenant's mark concerns the tenant's own ServiceAccount only.
    mark = "openshift.io/internal-registry-pull-secret-ref"
    cluster.kubectl("annotate", "sa", "default", f"--namespace={a}", f"{mark}=default-dockercfg")
    left = f"ServiceAccount {a}/default has the annotation {mark}"
    await becomes("told", lambda: left in told(cluster), True)
    name = secrets(cluster, a)["default"]["metadata"]["name"]
    cluster.kubectl("delete", "secret", name, f"--namespace={a}")
    other = secrets(cluster, b)["default"]["metadata"]["name"]
    cluster.kubectl("delete", "secret", other, f"--namespace={b}")
    await becomes("not in doubt", partial(is_complete, cluster, b), True)
    assert secrets(cluster, a) == {}

    # Config/cluster decides for the whole cluster.
    owner = f"imageregistry.operator.{DOMAIN}/pull-secrets-owner"
    cluster.kubectl("annotate", CONFIG, "cluster", f"{owner}=image-registry-operator")
    await becomes("off", partial(stands, cluster), "False")
    assert "take pull-secrets out of --controllers" in told(cluster)
    cluster.kubectl("delete", "secret", other, f"--namespace={b}")
    await asyncio.sleep(3)
    assert secrets(cluster, b) == {}
    events = ("get", "events", "--field-selector=involvedObject.name=cluster")
    await becomes("Event", lambda: "OtherOwner" in cluster.kubectl(*events).stdout, True)
    await becomes("log", lambda: '"ownership"' in replica.log(), True)

    cluster.kubectl("annotate", CONFIG, "cluster", f"{owner}-")
    cluster.kubectl("annotate", "sa", "default", f"--namespace={a}", f"{mark}-")
    await becomes("on again", partial(stands, cluster), "True")
    for namespace in (a, b):
        await becomes(f"{namespace} managed", partial(is_complete, cluster, namespace), True)


async def test_foreign_secret_with_the_name_is_not_changed(
    cluster: Cluster, start: Callable[..., Replica], team: Callable[[str], str]
) -> None:
    namespace = team("pulls-taken")
    configure(cluster)
    first = start(*PATIENT)
    await becomes("managed", partial(is_complete, cluster, namespace), True)
    first.stop()
    name = secrets(cluster, namespace)["default"]["metadata"]["name"]
    cluster.kubectl("delete", "secret", name, f"--namespace={namespace}")
    cluster.kubectl("create", "secret", "generic", name, f"--namespace={namespace}",
                    "--from-literal=key=of-the-user")  # fmt: skip

    start(*PATIENT)

    taken = f"{namespace}/{name} has the name that we need"
    await becomes("told", lambda: taken in told(cluster), True)
    kept = cluster.kubectl("get", "secret", name, f"--namespace={namespace}", "--output=json")
    content = json.loads(kept.stdout)
    assert list(content["data"]) == ["key"]
    assert "labels" not in content["metadata"]


async def test_hundreds_of_namespaces_settle_at_the_set_rate(
    cluster: Cluster, start: Callable[..., Replica], team: Callable[[str], str]
) -> None:
    namespace, count, rate = team("pulls-many"), 300, 60
    accounts = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": f"app-{number}"}}
        for number in range(count)
    ]
    listed = {"apiVersion": "v1", "kind": "List", "items": accounts}
    cluster.kubectl("create", f"--namespace={namespace}", "--filename=-", input=json.dumps(listed))
    configure(cluster)
    started = time.monotonic()
    replica = start("--controller-rate", str(rate))
    replica.wait_until_ready()

    await becomes("settled", lambda: objects(replica, "settled") >= count, True)
    await becomes("pending", partial(objects, replica, "pending"), 0)

    writes = 4 * count  # Secret, token, content, ServiceAccount
    assert time.monotonic() - started >= (writes - rate) / rate, "no faster than it may"
    assert objects(replica, "apart") == 0
    assert len(secrets(cluster, namespace)) == count + 1
    configure(cluster, managementState="Removed")
    await becomes("Secrets left", partial(secrets, cluster), {})
    assert named(cluster, namespace, "app-0") == []
