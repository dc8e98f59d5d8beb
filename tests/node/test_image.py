"""The image: its labels, the users that may run it, and its memory."""

import json
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.model.quantity import Quantity
from app.version import VERSION
from tests.node.installation import pods
from tests.node.node import IMAGE, Node

ROOT = Path(__file__).parents[2]
SOMEBODY = 1000680000
"""A user as OKD picks one: it has no name in the image, and the root group."""
NAMESPACE = "strangers"
SBOM = "/opt/registry-admission/sbom.cdx.json"


_IMPORTS = """
import importlib, pkgutil
import click
import app
from app.cli.main import COMMANDS, main
for module in pkgutil.walk_packages(app.__path__, "app."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for command in COMMANDS:
    main([command, "--help"], standalone_mode=False)
print("every module, every command")
"""


@pytest.fixture(scope="module")
def restricted(node: Node) -> Iterator[str]:
    node.create_namespace(NAMESPACE)
    node.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    yield NAMESPACE
    node.remove_namespace(NAMESPACE)


def printed(node: Node, namespace: str, name: str, *command: str) -> str:
    """The output of a command in a container of the image, as any user, on a read-only disk."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": SOMEBODY,
                "runAsGroup": 0,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "one",
                    "image": IMAGE,
                    "command": list(command),
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
    node.kubectl("create", "--filename=-", input=json.dumps(pod))
    there = f"--namespace={namespace}"
    node.wait(f"pod/{name}", there, "--for=jsonpath={.status.phase}=Succeeded")
    return node.kubectl("logs", name, there).stdout


def test_any_user_may_run_the_image_on_a_read_only_disk(node: Node, restricted: str) -> None:
    text = printed(node, restricted, "version", "registry-admission", "--version")

    assert VERSION in text


def test_every_module_and_command_works_in_the_image(node: Node, restricted: str) -> None:
    text = printed(node, restricted, "modules", "python", "-c", _IMPORTS)

    assert text.splitlines()[-1] == "every module, every command"


def test_its_bill_of_materials_is_the_lock(node: Node, restricted: str) -> None:
    bill = json.loads(printed(node, restricted, "sbom", "cat", SBOM))

    pins = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^]]+\])?==([^ ;]+)",
        (ROOT / "requirements.lock").read_text(),
        re.MULTILINE,
    )
    found = {(one["name"].lower(), one["version"]) for one in bill["components"]}
    assert bill["bomFormat"] == "CycloneDX"
    assert found == {(name.lower(), version) for name, version in pins}


def test_its_labels_name_version_and_base() -> None:
    with tarfile.open(Path(os.environ["NODE_TOOLS"]) / "service-test.tar") as archive:
        [manifest] = read(archive, "manifest.json")
        labels = read(archive, manifest["Config"])["config"]["Labels"]

    assert labels["org.opencontainers.image.title"] == "registry-admission"
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.base.name"] == "localhost/python:3.13-trixie"


def test_a_replica_without_load_stays_below_its_request(service: Node) -> None:
    for pod in pods(service):
        [container] = pod["spec"]["containers"]
        requested = Quantity(container["resources"]["requests"]["memory"])
        resident = sum(map(resident_bytes, service.processes(pod["metadata"]["uid"])))
        print(f"{pod['metadata']['name']}: {resident / 1e6:.0f} MB")
        assert 0 < resident < requested.value


def read(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return json.load(file)


def resident_bytes(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
