"""The next step for a ServiceAccount and its pull secret, and the scope of the controller."""

import base64
import json
from typing import Any

import pytest

from app.controllers.pull_secrets.decision import Policy, Step, next_step, refresh_at
from app.controllers.pull_secrets.objects import (
    Account,
    PullSecret,
    docker_config,
    secret_name,
)
from app.controllers.pull_secrets.scope import NOTHING, Scope, scope_of
from app.model.registry import Config, Route
from app.policy.names import is_subdomain
from tests.unit.controlled import (
    HOSTS,
    ISSUED,
    MARKS,
    NAME,
    NOON,
    RIVALS,
    account,
    config,
    managed,
    secret,
    secret_content,
)

SYSTEM = ["kube-*", "openshift-*", "registry-admission"]
SCOPE = Scope(hosts=HOSTS)
POLICY = Policy(life=3600, refresh=0.5)
REFERENCE = "openshift.io/internal-registry-pull-secret-ref"
FOREIGN = {"annotations": {REFERENCE: "other"}}
APPLIED = {"managedFields": [managed("argocd", "Apply", **{"f:data": {}})]}


def scope(given: Config | None) -> Scope:
    return scope_of(given, internal_hosts=["registry.svc:5000"], system_namespaces=SYSTEM)


@pytest.mark.parametrize(
    ("given", "covered"),
    [
        (None, []),
        (config(), ["default", "team-a", "kubernetes"]),
        (config(managementState="Managed"), ["default", "team-a", "kubernetes"]),
        (config(managementState="Unmanaged"), []),
        (config(managementState="Removed"), []),
        (config("Unmanaged"), []),
        (config("Removed"), []),
        (config(ignoredNamespaces=["team-a"]), ["default", "kubernetes"]),
        (
            config(ignoreSystemNamespaces=False),
            ["default", "team-a", "kubernetes", "kube-system", "registry-admission"],
        ),
    ],
    ids=[
        "no Config", "defaults", "managed", "unmanaged", "removed", "registry unmanaged",
        "registry removed", "ignored namespace", "with system namespaces",
    ],
)  # fmt: skip
def test_covered_namespaces(given: Config | None, covered: list[str]) -> None:
    names = ["default", "team-a", "kubernetes", "kube-system", "registry-admission"]

    assert [name for name in names if scope(given).covers(name)] == covered


def test_hosts_are_the_registrys_and_valid_additional_ones() -> None:
    hosts = ["b.example.com", "a.example.com:443", "<host>", "https://c.example.com"]

    found = scope(config(additionalRegistryHosts=hosts))

    assert found.hosts == ("a.example.com:443", "b.example.com", "registry.svc:5000")


def test_a_route_is_a_host_of_the_registry() -> None:
    given = config()
    given.spec.routes = [Route(name="outside", hostname="registry.apps.example.com")]

    assert scope(given).hosts == ("registry.apps.example.com", "registry.svc:5000")


@pytest.mark.parametrize(
    ("seen", "present", "at", "step"),
    [
        (account(), None, NOON, Step.CREATE),
        (account(), secret(), NOON, Step.INJECT),
        (account("users"), secret(), NOON, Step.INJECT),
        (account(NAME), secret(), NOON, None),
        (account("users", NAME), secret(), NOON + 1439, None),
        (account(NAME), secret(), NOON + 1801, Step.REFRESH),
        (account(NAME), secret((*HOSTS, "dropped")), NOON, Step.REWRITE),
        (account(NAME), secret(data={".dockerconfigjson": "e30="}), NOON, Step.REPAIR),
        (account(NAME), secret(data=None), NOON, Step.REPAIR),
        (
            account(NAME),
            secret(annotations={MARKS.expires: "2040-01-01T00:00:00+00:00"}),
            NOON,
            Step.REPAIR,
        ),
        (account(NAME), secret(annotations={MARKS.seal: ""}), NOON, Step.REPAIR),
        (account(NAME), secret(type="Opaque"), NOON, Step.DELETE),
        (account(NAME), secret(immutable=True), NOON, Step.DELETE),
        (account(NAME), secret(metadata={"ownerReferences": []}), NOON, Step.DELETE),
        (account(NAME, uid="made-again"), secret(), NOON, Step.DELETE),
        (None, secret(), NOON, Step.DELETE),
        (None, None, NOON, None),
        (account(**FOREIGN), None, NOON, None),
        (account(NAME, **FOREIGN), secret(), NOON + 9999, None),
        (account(NAME), secret(metadata=APPLIED, data={}), NOON, None),
    ],
    ids=[
        "new", "not injected", "beside the user's", "settled", "not due", "due", "host dropped",
        "content edited", "content gone", "expiry edited", "seal gone", "type", "immutable",
        "no owner", "ServiceAccount made again", "ServiceAccount gone", "nothing",
        "claimed, new", "claimed, due", "applied by another",
    ],
)  # fmt: skip
def test_next_step_for_each_state(
    seen: Account | None, present: PullSecret | None, at: float, step: Step | None
) -> None:
    assert next_step(SCOPE, POLICY, seen, present, at) == step


@pytest.mark.parametrize(
    ("seen", "present", "step"),
    [
        (account("users", NAME), secret(), Step.EJECT),
        (account(NAME), None, Step.EJECT),
        (account(NAME, **FOREIGN), secret(), Step.EJECT),
        (account("users"), secret(), Step.DELETE),
        (account("users"), None, None),
    ],
    ids=["injected", "Secret gone", "claimed", "ejected", "nothing left"],
)
def test_uncovered_namespaces_lose_their_pull_secrets(
    seen: Account, present: PullSecret | None, step: Step | None
) -> None:
    assert next_step(NOTHING, POLICY, seen, present, NOON) == step


@pytest.mark.parametrize("account_name", ["default", "a" * 253, "a" * 219 + ".b", "a.b-c"])
def test_names_are_valid_and_unique_for_each_namespace(account_name: str) -> None:
    name = secret_name("team-a", account_name)

    assert is_subdomain(name)
    assert name == secret_name("team-a", account_name) != secret_name("team-b", account_name)


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {"name": "copy"}},
        {"metadata": {"namespace": "team-b"}},
        {"annotations": {MARKS.account: "other"}},
        {"metadata": {"annotations": None}},
    ],
    ids=["another name", "another namespace", "another account", "no annotations"],
)
def test_copied_secret_with_the_label_is_not_managed(changes: dict[str, Any]) -> None:
    assert secret(**changes) is None


def test_docker_config_has_credentials_for_every_host() -> None:
    content = json.loads(base64.b64decode(docker_config(["a:5000", "b"], "t")))

    assert content["auths"].keys() == {"a:5000", "b"}
    for entry in content["auths"].values():
        assert base64.b64decode(entry["auth"]).decode() == "serviceaccount:t"


def test_refresh_times_are_spread_and_survive_a_restart() -> None:
    def due(uid: str) -> float:
        found = PullSecret.of(secret_content(metadata={"uid": uid}), MARKS, RIVALS)
        assert found is not None
        return refresh_at(POLICY, found) - NOON

    times = [due(f"uid-{number}") for number in range(200)]

    assert all(1440 <= time <= 1800 for time in times)
    assert max(times) - min(times) > 300
    assert times == [due(f"uid-{number}") for number in range(200)]


def test_shorter_lifetime_applies_to_issued_tokens() -> None:
    short = Policy(life=600, refresh=0.5)

    assert next_step(SCOPE, short, account(NAME), secret(), NOON + 301) is Step.REFRESH
    assert next_step(SCOPE, short, account(NAME), secret(), NOON + 239) is None
    assert ISSUED.startswith("2030-01-01T12:00:00")
