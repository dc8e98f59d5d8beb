"""`doctor` compares with the installation as it is, and prints a command that keeps its options."""

import shlex
from dataclasses import replace
from typing import Any

import pytest

from app.doctor.checks import diagnose
from app.doctor.installation import install_command, place, with_manifests
from app.doctor.snapshot import Scope, Snapshot
from app.model.domain import ApiDomain
from app.model.workloads import Deployment
from tests.registry_objects import SERVICE, Manifest

from . import snapshots
from .manifests import only
from .printed_commands import commands, parse

CONTROLLERS = ("pull-secrets", "namespace-limits")
IMAGE = "registry.example.com:5000/tools/registry-admission:1.2"


def deployed(**options: Any) -> Manifest:
    """The ready Deployment of an installation with these options."""
    replicas = options.get("replicas", 3)
    status = {"replicas": replicas, "readyReplicas": replicas}
    return {**only("Deployment", **options), "status": status}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "--image registry-admission --replicas 3"),
        ({"image": IMAGE, "replicas": 5}, f"--image {IMAGE} --replicas 5"),
        (
            {"controllers": CONTROLLERS},
            "--image registry-admission --replicas 3 --controllers pull-secrets,namespace-limits",
        ),
        ({"mode": "warn"}, "--image registry-admission --replicas 3 --mode warn"),
    ],
)
def test_the_command_keeps_the_options_of_the_installation(
    options: dict[str, Any], expected: str
) -> None:
    printed = install_command(snapshots.snapshot([deployed(**options)]))

    assert printed.startswith(f"registry-admission install {expected} | kubectl diff -f -   # then")
    [command] = commands(printed)
    parse(command)


def test_the_command_asks_for_options_that_are_not_known() -> None:
    own = deployed()
    own["spec"]["template"]["spec"]["containers"][0]["env"].append(
        {"name": "REGISTRY_ADMISSION_TLS_DIR", "value": "/tls"}
    )
    assert " --tls-dir <folder> | " in install_command(snapshots.snapshot([own]))

    unread = snapshots.snapshot(without=["Deployment"], unread=[Scope(Deployment)])
    assert install_command(unread) == (
        "registry-admission install --image <image> | kubectl diff -f -   "
        "# add your other options; then kubectl apply"
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ""),
        ({"service_namespace": "limits"}, " --service-namespace limits"),
        ({"registry_namespace": "images"}, " --registry-namespace images"),
        (
            {"domain": ApiDomain("openshift.io"), "registry_namespace": "openshift-image-registry"},
            " --api-domain openshift.io",
        ),
    ],
)
@pytest.mark.parametrize("command", ["install --image x", "convert --from-cluster", "doctor"])
def test_commands_name_what_is_not_where_they_look_by_default(
    fields: dict[str, Any], expected: str, command: str
) -> None:
    found = place(replace(Snapshot({}, {}, taken=snapshots.NOW), **fields))

    assert found == expected
    parse(command + found)
    assert len(shlex.split(found)) == 2 * len(fields.keys() - {"domain"}) or "domain" in fields


@pytest.mark.parametrize(
    ("controllers", "webhooks", "problems"),
    [
        (CONTROLLERS, CONTROLLERS, []),
        (("namespace-limits",), (), []),
        ((), CONTROLLERS, []),
        (
            CONTROLLERS,
            (),
            ["webhook service-accounts.pull-secrets.registry-admission is missing"],
        ),
    ],
    ids=["as printed", "of a controller without webhooks", "left behind", "missing"],
)
def test_webhooks_of_controllers_are_expected_if_they_are_turned_on(
    controllers: tuple[str, ...], webhooks: tuple[str, ...], problems: list[str]
) -> None:
    changes = [deployed(controllers=controllers), *snapshots.webhooks(controllers=webhooks)]
    found = diagnose(with_manifests(snapshots.snapshot(changes)), [])

    assert [finding.problem for finding in found.findings] == problems
    for finding in found.findings:
        assert "--controllers pull-secrets,namespace-limits" in finding.next_steps[0]


def test_the_options_of_another_deployment_are_not_taken() -> None:
    other = deployed(controllers=CONTROLLERS, namespace="elsewhere")

    assert "--controllers" not in install_command(snapshots.snapshot([other]))
    assert other["metadata"]["name"] == SERVICE
