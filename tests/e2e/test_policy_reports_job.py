"""The CronJob of PolicyReports, run with exactly the rights of its manifest."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.install.kustomization import Manifest

from .cluster import Cluster
from .commands import environment
from .domain import DOMAIN
from .observed import becomes
from .overlays import MANIFESTS, NAMESPACE, apply, kustomize
from .stored_streams import image_event, store_stream

pytestmark = pytest.mark.e2e

ACCOUNT = "registry-admission-policy-reports"
TEAM = "reported"
IMAGE = f"sha256-{'c' * 64}"
"""A custom resource cannot be named sha256:…"""
RIGHTS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")


class Job:
    """The container of the CronJob, as a process."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        root = os.path.relpath(MANIFESTS.resolve(), folder.resolve())
        components = (
            ["policy-reports"] if DOMAIN == "alauda.io" else ["policy-reports", "openshift"]
        )
        content = {
            "resources": [f"{root}/overlays/self-signed"],
            "components": [f"{root}/components/{component}" for component in components],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
        built = kustomize(cluster, folder)
        self._cluster = cluster
        self.rights = [
            one for one in built if one["metadata"]["name"] == ACCOUNT and one["kind"] in RIGHTS
        ]
        [cron_job] = [one for one in built if one["kind"] == "CronJob"]
        pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == ACCOUNT
        [self._container] = pod["containers"]
        cluster.kubectl("create", "namespace", NAMESPACE, check=False)
        apply(cluster, self.rights)
        self._kubeconfig = cluster.account_kubeconfig(folder / "job", NAMESPACE, ACCOUNT)

    def run(self) -> subprocess.CompletedProcess[str]:
        variables = {one["name"]: one["value"] for one in self._container["env"]}
        return subprocess.run(
            [sys.executable, "-m", "app", *self._container["args"]],
            env=environment(self._kubeconfig) | variables,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def grant(self, rules: list[dict[str, Any]]) -> None:
        """Grant these rights to the account."""
        [role] = [one for one in self.rights if one["kind"] == "ClusterRole"]
        apply(self._cluster, [role | {"rules": rules}])

    def may(self, verb: str, resource: str) -> bool:
        answer = self._cluster.kubectl(
            "auth", "can-i", verb, resource, f"--namespace={TEAM}",
            f"--as=system:serviceaccount:{NAMESPACE}:{ACCOUNT}", check=False,
        )  # fmt: skip
        return answer.stdout.strip() == "yes"


@pytest.fixture
def job(cluster: Cluster, tmp_path: Path) -> Iterator[Job]:
    limit_range = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "image-registry-limits", "namespace": TEAM},
        "spec": {"limits": [{"type": f"{DOMAIN}/Image", "max": {"storage": "1Mi"}}]},
    }
    image = {"apiVersion": f"image.{DOMAIN}/v1", "kind": "Image", "metadata": {"name": IMAGE}}
    objects: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}},
        limit_range,
        {**image, "dockerImageMetadata": {"Size": 5 * 2**20}},
    ]
    cluster.kubectl("apply", "--filename=-", input=yaml.safe_dump_all(objects))
    store_stream(cluster, TEAM, "app", {"v1": [image_event(IMAGE)]})
    running = Job(cluster, tmp_path)
    yield running
    apply(cluster, running.rights)
    cluster.kubectl("delete", f"images.image.{DOMAIN}", IMAGE)
    cluster.kubectl("delete", "namespace", TEAM, timeout=120)
    cluster.kubectl("delete", "clusterrolebinding", ACCOUNT)


def failures(cluster: Cluster) -> str:
    return cluster.kubectl(
        "-n", TEAM, "get", "policyreports", "-o", "jsonpath={.items[*].summary.fail}"
    ).stdout


def test_the_job_writes_reports_and_keeps_them_current(cluster: Cluster, job: Job) -> None:
    first = job.run()
    assert (first.returncode, failures(cluster)) == (0, "1"), first.stderr
    assert "Note:" not in first.stderr

    cluster.kubectl("-n", TEAM, "delete", "limitrange", "image-registry-limits")
    second = job.run()
    assert (second.returncode, failures(cluster)) == (0, "0"), second.stderr


def without(rules: list[dict[str, Any]], verb: str, resource: str) -> list[dict[str, Any]]:
    """The rules, each with one verb and one resource, without one of them."""
    single = [
        rule | {"verbs": [each], "resources": [one]}
        for rule in rules
        for each in rule["verbs"]
        for one in rule["resources"]
    ]
    kept = [rule for rule in single if (rule["verbs"], rule["resources"]) != ([verb], [resource])]
    assert len(kept) == len(single) - 1
    return kept


async def test_the_job_needs_each_of_its_rights(cluster: Cluster, job: Job) -> None:
    """But the list of all images, which it reads instead of one by one if there are many."""
    [role] = [one for one in job.rights if one["kind"] == "ClusterRole"]
    image_api = f"image.{DOMAIN}"
    for verb, resource, group in (
        ("list", "limitranges", ""),
        ("list", "resourcequotas", ""),
        ("list", "imagestreams", image_api),
        ("get", "images", image_api),
        ("create", "policyreports", "wgpolicyk8s.io"),
        ("patch", "policyreports", "wgpolicyk8s.io"),
    ):
        name = f"{resource}.{group}" if group else resource
        job.grant(without(role["rules"], verb, resource))
        await becomes(name, partial(job.may, verb, name), False)
        cluster.kubectl("-n", TEAM, "delete", "policyreports", "--all")

        answer = await asyncio.to_thread(job.run)

        if resource == "images":
            assert "image sizes are not readable" in answer.stderr
        else:
            assert answer.returncode == 3, f"{verb} {resource}: {answer.stderr}"
            assert f'cannot {verb} resource "{resource}"' in answer.stderr
        job.grant(role["rules"])
        await becomes(name, partial(job.may, verb, name), True)


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("get", "secrets"),
        ("list", "configmaps"),
        ("patch", "limitranges"),
        ("patch", "resourcequotas"),
        ("delete", "policyreports"),
        ("list", "pods"),
        ("create", "serviceaccounts/token"),
    ],
)
def test_the_job_may_do_nothing_else(job: Job, verb: str, resource: str) -> None:
    assert not job.may(verb, resource)
