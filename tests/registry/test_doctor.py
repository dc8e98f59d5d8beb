"""`doctor` asks a real registry for the data of images, and names missing data."""

import json
import shutil
from pathlib import Path

import httpx
import yaml

from app.config.settings import Settings
from app.doctor import diagnosing
from app.doctor.finding import Diagnosis
from tests.registry_objects import stream

from .images import OCI_MANIFEST, descriptor, digest_of, image, push_blob, push_manifest
from .programs import Registry

LAYER = bytes(5000)
INDEX = "application/vnd.oci.image.index.v1+json"
DAY = "2025-06-01T00:00:00Z"


async def pushed(client: httpx.AsyncClient, name: str) -> str:
    """The digest of an image with a layer that no other image has."""
    layer = LAYER + name.encode()
    manifest = image(name, layers=[descriptor(layer, "application/vnd.oci.image.layer.v1.tar")])
    await push_blob(client, "team-a/app")
    assert (await push_blob(client, "team-a/app", layer)).status_code == 201
    assert (await push_manifest(client, "team-a/app", name, manifest)).status_code == 201
    return digest_of(manifest)


async def diagnose(url: str, folder: Path, digests: dict[str, str]) -> Diagnosis:
    state = folder / "dump"
    state.mkdir()
    manifest = stream("app", digests, DAY, host=url.partition("://")[2])
    (state / "streams.yaml").write_text(yaml.safe_dump(manifest))
    return await diagnosing.diagnose(
        Settings(state=state, registry_url=url),
        service_namespace=None,
        namespaces=(),
        samples=10,
    )


def remove_blob(folder: Path, content: bytes) -> None:
    """Remove the data as lost storage does, without the registry."""
    digest = digest_of(content).partition(":")[2]
    shutil.rmtree(folder / "registry/docker/registry/v2/blobs/sha256" / digest[:2] / digest)


async def test_complete_images_have_no_finding(
    upstream: Registry, direct: httpx.AsyncClient, tmp_path: Path
) -> None:
    digests = {"v1": await pushed(direct, "v1"), "v2": await pushed(direct, "v2")}
    found = await diagnose(upstream.url, tmp_path, digests)
    assert found.findings == ()
    assert "image data" not in {item.check for item in found.not_checked}


async def test_missing_blobs_and_manifests_are_named(
    upstream: Registry, direct: httpx.AsyncClient, tmp_path: Path
) -> None:
    digests = {name: await pushed(direct, name) for name in ("kept", "blob", "manifest")}
    remove_blob(tmp_path, LAYER + b"blob")
    deleted = await direct.delete(f"/v2/team-a/app/manifests/{digests['manifest']}")
    assert deleted.status_code == 202

    found = await diagnose(upstream.url, tmp_path, digests)

    [finding] = [item for item in found.findings if item.reason == "BlobsMissing"]
    assert finding.problem.startswith("2 of 3 images")
    assert set(finding.evidence) == {
        f"team-a/app:blob ({digests['blob']}): no blob {digest_of(LAYER + b'blob')}",
        f"team-a/app:manifest ({digests['manifest']}): no manifest {digests['manifest']}",
    }
    assert finding.concerns_data
    assert any("emptyDir, or changed?" in step for step in finding.next_steps)


async def test_index_needs_all_its_images(
    upstream: Registry, direct: httpx.AsyncClient, tmp_path: Path
) -> None:
    child = await pushed(direct, "child")
    stored = await direct.get(f"/v2/team-a/app/manifests/{child}", headers={"Accept": OCI_MANIFEST})
    children = [descriptor(stored.content, OCI_MANIFEST)]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode()
    assert (await push_manifest(direct, "team-a/app", "index", index)).status_code == 201
    remove_blob(tmp_path, LAYER + b"child")

    found = await diagnose(upstream.url, tmp_path, {"index": digest_of(index)})

    [finding] = found.findings
    assert finding.evidence == (
        f"team-a/app:index ({digest_of(index)}): no blob {digest_of(LAYER + b'child')}",
    )


async def test_silent_registry_is_not_checked(tmp_path: Path) -> None:
    found = await diagnose("http://127.0.0.1:1", tmp_path, {"v1": digest_of(b"v1")})
    assert found.findings == ()
    why = {item.check: item.why for item in found.not_checked}
    assert why["image data"].startswith("1 of 1 images: GET http://127.0.0.1:1/v2/team-a/app")
