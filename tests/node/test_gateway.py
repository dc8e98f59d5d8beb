"""The gateway component: clients push and pull through its Service, also while it is updated."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from app.install.kustomization import Manifest
from tests.e2e import overlays
from tests.node.installation import IN_NAMESPACE, eventually, rolled_out, uninstalled, with_image
from tests.node.node import ADDRESS, CLIENT_IMAGE, PATIENCE, Node

GATEWAY = "deployment/registry-gateway"
UPSTREAM = f"http://{ADDRESS}:5000"
REPOSITORY = "team-gateway/app"
_CLIENTS = 4
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A registry on the node, without TLS."""
    folder = tmp_path_factory.mktemp("registry")
    config = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"{ADDRESS}:5000"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = ["docker-registry", "serve", str(folder / "config.yaml")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        eventually(lambda: answers(UPSTREAM))
        yield
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def host(node: Node, upstream: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the gateway's Service, and its port."""
    uninstalled(node)
    root = os.path.relpath(overlays.MANIFESTS.resolve(), tmp_path_factory.getbasetemp().resolve())
    folder = tmp_path_factory.getbasetemp()
    content = {
        "resources": [f"{root}/overlays/self-signed"],
        "components": [f"{root}/components/gateway"],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    manifests = [before_plain_http(with_image(one)) for one in overlays.kustomize(node, folder)]
    overlays.apply(node, manifests)
    rolled_out(node)
    rolled_out(node, GATEWAY)
    service = ("get", "service", "registry-gateway", IN_NAMESPACE)
    address = node.kubectl(*service, "--output=jsonpath={.spec.clusterIP}").stdout
    yield f"{address}:80"
    uninstalled(node)  # before its namespace is deleted, which would wait for long uploads
    text = yaml.safe_dump_all(manifests)
    node.kubectl("delete", "--ignore-not-found", "--wait=false", "--filename=-", input=text)


def before_plain_http(manifest: Manifest) -> Manifest:
    """The gateway's Deployment for an upstream without TLS, which needs no CA."""
    if (manifest["kind"], manifest["metadata"]["name"]) == ("Deployment", "registry-gateway"):
        pod = manifest["spec"]["template"]["spec"]
        [container] = pod["containers"]
        pod["volumes"] = [one for one in pod["volumes"] if one["name"] == "tmp"]
        container["volumeMounts"] = [
            one for one in container["volumeMounts"] if one["name"] == "tmp"
        ]
        prefix = "REGISTRY_ADMISSION_UPSTREAM"
        others = [one for one in container["env"] if not one["name"].startswith(prefix)]
        container["env"] = [*others, {"name": prefix, "value": UPSTREAM}]
    return manifest


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v2/").is_success
    except httpx.TransportError:
        return False


def buildah(*arguments: str) -> None:
    tools = Path(os.environ["NODE_TOOLS"])
    store = [f"--root={tools / 'storage'}", f"--runroot={tools / 'run'}"]
    command = ["buildah", *store, "--storage-driver=overlay", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


async def test_pulls_go_on_while_the_gateway_is_updated(node: Node, host: str) -> None:
    buildah("push", "--tls-verify=false", CLIENT_IMAGE, f"docker://{host}/{REPOSITORY}:v1")
    results: list[int | str] = []
    updating = asyncio.create_task(asyncio.to_thread(update, node))
    await asyncio.gather(*(pull_until(updating, host, results) for _ in range(_CLIENTS)))
    await updating

    failed = [one for one in results if one != 200]
    print(f"\nupdate of the gateway: {len(failed)} of {len(results)} pulls failed")
    assert failed == []
    assert len(results) > 50
    buildah("push", "--tls-verify=false", CLIENT_IMAGE, f"docker://{host}/{REPOSITORY}:v2")


def update(node: Node) -> None:
    node.kubectl("rollout", "restart", GATEWAY, IN_NAMESPACE)
    rolled_out(node, GATEWAY)


async def pull_until(updating: "asyncio.Task[None]", host: str, results: list[int | str]) -> None:
    """Pulls the image again and again, each time with a new connection."""
    while not updating.done():
        address = f"http://{host}/v2/{REPOSITORY}/"
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as client:
            try:
                answer = await client.get("manifests/v1", headers={"Accept": _MANIFEST})
                results.append(answer.status_code)
                layers = answer.json().get("layers", []) if answer.is_success else []
                for layer in layers:
                    blob = await client.get(f"blobs/{layer['digest']}")
                    results.append(blob.status_code)
            except httpx.TransportError as error:
                results.append(repr(error))
        await asyncio.sleep(0.1)
