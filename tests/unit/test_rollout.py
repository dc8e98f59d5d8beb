"""`install --wait` registers the webhooks when the service is ready, or not at all."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli.main import main
from app.cluster.api import Content, KubeApi, NotFoundError, Query
from app.install import rollout
from app.install.rollout import RolloutError, apply_and_wait
from tests.unit.manifests import manifests, only

NAMESPACE = "registry-admission"
CA = b"-----BEGIN CERTIFICATE-----\n"


class Api(KubeApi):
    """An API server whose Deployment becomes ready after some looks."""

    def __init__(
        self,
        looks: int,
        *,
        secret: bool = True,
        waiting: str = "",
        ended: str = "",
        status: dict[str, int] | None = None,
    ) -> None:
        """`status`: differences from the status of a Deployment that is ready."""
        self.applied: list[Content] = []
        self._looks = looks
        self._secret = secret
        self._waiting = waiting
        self._ended = ended
        self._status = status or {}

    async def apply(self, path: str, content: Content, manager: str, **_options: bool) -> Content:
        self.applied.append(content)
        return content

    async def get(self, path: str, query: Query | None = None) -> Content:
        if path.endswith("/deployments/registry-admission"):
            self._looks -= 1
            ready = 3 if self._looks < 0 else 1
            status = {"observedGeneration": 2, "updatedReplicas": 3, "readyReplicas": ready}
            status |= self._status
            return {"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status}
        if path.endswith("/pods"):
            state = {"waiting": {"reason": "ErrImagePull", "message": self._waiting}}
            last = {"terminated": {"reason": "Error", "exitCode": 3, "message": self._ended}}
            container = {"state": state, "lastState": last if self._ended else {}}
            pod = {"status": {"containerStatuses": [container]}}
            return {"metadata": {}, "items": [pod]}
        if path.endswith("/secrets/registry-admission-tls") and self._secret:
            return {"data": {"ca.crt": b64encode(CA).decode()}}
        kinds = [one for one in self.applied if f"/{one['kind'].lower()}s/" in path]
        if not kinds:
            raise NotFoundError(404, path)
        return kinds[-1]

    @property
    def webhooks(self) -> list[Content]:
        return [one for one in self.applied if "WebhookConfiguration" in one["kind"]]


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_seconds: float) -> None: ...

    monkeypatch.setattr(asyncio, "sleep", sleep)


async def install(api: Api, seconds: float = 10) -> list[str]:
    done = list[str]()
    await apply_and_wait(api, manifests(), done.append, namespace=NAMESPACE, seconds=seconds)
    return done


async def test_webhooks_come_last_with_the_bundle_that_is_served() -> None:
    api = Api(looks=3)
    await install(api)
    assert len(api.applied) == len(manifests()) + 2
    assert api.applied[-4:] == api.webhooks
    bundles = {
        webhook["clientConfig"]["caBundle"] for one in api.webhooks for webhook in one["webhooks"]
    }
    assert bundles == {b64encode(CA).decode()}


@pytest.mark.parametrize(
    ("api", "problem"),
    [
        (Api(looks=99, waiting="no such tag"), "1 of 3 replicas are ready (ErrImagePull: no such"),
        (
            Api(looks=99, waiting="back-off 40s", ended="{}\nError: no namespace x\n"),
            "1 of 3 replicas are ready (exit code 3: Error: no namespace x)",
        ),
        (Api(looks=0, secret=False), "Secret registry-admission/registry-admission-tls has no ca"),
    ],
    ids=["image", "crash", "certificate"],
)
async def test_without_a_ready_service_there_is_no_webhook(api: Api, problem: str) -> None:
    with pytest.raises(RolloutError) as raised:
        await install(api)
    assert problem in str(raised.value)
    assert "no webhook was registered" in str(raised.value)
    assert api.webhooks == []


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        pytest.param({"observedGeneration": 1}, "has not observed it yet", id="the state before"),
        pytest.param({"updatedReplicas": 1}, "1 of 3 replicas are ready", id="old replicas"),
        pytest.param({"readyReplicas": 2}, "2 of 3 replicas are ready", id="not all are ready"),
    ],
)
async def test_new_replicas_must_be_ready(status: dict[str, int], problem: str) -> None:
    api = Api(looks=0, status=status)
    with pytest.raises(RolloutError, match=problem):
        await install(api)


def test_waiting_needs_something_to_wait_for() -> None:
    answer = CliRunner().invoke(main, ["install", "--image", "i", "--wait"])
    assert answer.exit_code == 2
    assert "--wait needs --apply" in answer.stderr


def test_a_failed_install_says_how_to_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(_api: Any, _objects: Any, done: Callable[[str], None], **_: Any) -> None:
        done("Namespace registry-admission applied")
        raise RolloutError("not ready")

    class Connected:
        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *_error: object) -> None: ...

    monkeypatch.setattr(rollout, "apply_and_wait", refused)
    monkeypatch.setattr("app.cluster.connection.found", lambda *_arguments: Connected())
    answer = CliRunner().invoke(main, ["install", "--image", "i", "--apply", "--wait"])
    assert answer.exit_code == 3
    expected = "not ready; to go back: registry-admission uninstall --yes --service-namespace"
    assert expected in answer.stderr


def test_the_mode_of_limits_without_one_is_a_variable_of_the_service() -> None:
    container = only("Deployment", mode="warn")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "REGISTRY_ADMISSION_DEFAULT_MODE", "value": "warn"} in container["env"]


def test_policy_reports_are_written_by_an_account_that_may_do_nothing_else() -> None:
    job = only("CronJob", f"{NAMESPACE}-policy-reports", policy_reports=True, image="i:1")["spec"][
        "jobTemplate"
    ]["spec"]
    pod = job["template"]["spec"]
    assert pod["containers"][0]["image"] == "i:1"
    command = CliRunner().invoke(main, [*pod["containers"][0]["args"], "--help"])
    assert command.exit_code == 0, command.output
    account = pod["serviceAccountName"]
    rules = only("ClusterRole", account, policy_reports=True)["rules"]
    verbs = {verb for rule in rules for verb in rule["verbs"]}
    assert verbs == {"get", "list", "create", "patch"}
    writing = [rule["resources"] for rule in rules if "patch" in rule["verbs"]]
    assert writing == [["policyreports"]]
    selector = only("Deployment")["spec"]["selector"]["matchLabels"]
    assert not selector.items() <= job["template"]["metadata"]["labels"].items()
