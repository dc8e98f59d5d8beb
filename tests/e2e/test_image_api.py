"""How the Image API behaves, and that no limit is passed by it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from .cluster import Cluster
from .domain import DOMAIN
from .history import Json
from .image_api import Answer, ImageApi
from .observed import quota
from .pushes import Push, Pusher
from .replicas import Replicas
from .tags import Tags

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def replicas(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with Replicas(cluster, tmp_path_factory.mktemp("replicas"), 1) as running:
        yield running


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[ImageApi]:
    running = ImageApi(cluster)
    await running.start()
    yield running
    await running.stop()
    assert running.failures == []


@pytest.fixture
def tags(api: ImageApi, replicas: Replicas) -> Tags:
    return Tags(api, replicas.running[0])


def digest(name: str) -> str:
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def image(name: str, size: int = 7, **content: Any) -> Json:
    return {
        "metadata": {"name": digest(name)},
        "dockerImageLayers": [{"name": digest(f"{name}/1"), "size": size, "mediaType": "layer"}],
        **content,
    }


def mapping(namespace: str, stream: str, tag: str, name: str) -> Json:
    return {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": "ImageStreamMapping",
        "metadata": {"name": stream, "namespace": namespace},
        "image": image(name),
        **({"tag": tag} if tag else {}),
    }


def imported(namespace: str, stream: str, *images: Json) -> Json:
    return {
        "apiVersion": f"image.{DOMAIN}/v1",
        "kind": "ImageStreamImport",
        "metadata": {"name": stream, "namespace": namespace},
        "spec": {"import": True, "images": list(images)},
    }


def from_registry(pull_spec: str, to: str = "", **policy: str) -> Json:
    found: Json = {"from": {"kind": "DockerImage", "name": pull_spec}, "importPolicy": policy}
    return {**found, "to": {"name": to}} if to else found


async def push(api: ImageApi, namespace: str, stream: str, tag: str, name: str) -> Answer:
    return await api.create("imagestreammappings", mapping(namespace, stream, tag, name))


async def stored(api: ImageApi, namespace: str, stream: str) -> dict[str, list[str]]:
    """The digests of every tag, newest first."""
    found = await api.stream(namespace, stream) or {}
    tags = found.get("status", {}).get("tags", [])
    return {tag["tag"]: [item["image"] for item in tag["items"]] for tag in tags}


async def limited(
    cluster: Cluster, replicas: Replicas, namespace: str, name: str, value: int
) -> None:
    cluster.kubectl("apply", "-f", "-", input=quota(namespace, name, value))
    await asyncio.to_thread(replicas.wait_until_limited, namespace)


async def eventually(look: Callable[[], Awaitable[object]], expected: object) -> None:
    async with asyncio.timeout(30):
        while await look() != expected:
            await asyncio.sleep(0.1)


async def test_the_newest_image_of_a_tag_comes_first(
    api: ImageApi, tags: Tags, namespace: str
) -> None:
    await tags.put_stream(namespace, "app", [])
    for name in ("old", "new"):
        assert (await push(api, namespace, "app", "v1", name)).code == 201
    assert await stored(api, namespace, "app") == {"v1": [digest("new"), digest("old")]}


async def test_pushes_at_once_straight_to_the_api_server_all_arrive(
    cluster: Cluster, api: ImageApi, namespace: str
) -> None:
    pushes = [Push(namespace, f"app-{n % 10}", f"v{n}") for n in range(100)]
    assert all(answer.admitted for answer in await Pusher(cluster).push(pushes))

    async def count() -> int:
        streams = [await stored(api, namespace, f"app-{n}") for n in range(10)]
        return sum(map(len, streams))

    await eventually(count, 100)


async def test_a_tag_may_come_late_or_never(api: ImageApi, tags: Tags, namespace: str) -> None:
    await tags.put_stream(namespace, "app", [])
    api.delay = None
    assert (await push(api, namespace, "app", "never", "never")).code == 201
    assert await stored(api, namespace, "app") == {}


async def test_a_mapping_to_a_missing_stream_is_answered_after_admission_and_makes_none(
    cluster: Cluster, replicas: Replicas, api: ImageApi, tags: Tags, namespace: str
) -> None:
    await limited(cluster, replicas, namespace, "image-tags", 1)
    for number in range(3):
        assert (await push(api, namespace, f"missing-{number}", "v1", "a")).code == 404
        assert await api.stream(namespace, f"missing-{number}") is None

    await tags.put_stream(namespace, "app", [])
    assert (await push(api, namespace, "app", "v1", "a")).code == 201  # no place was held


async def test_a_mapping_without_a_tag_is_tagged_latest_and_claims_it(
    cluster: Cluster, replicas: Replicas, api: ImageApi, tags: Tags, namespace: str
) -> None:
    await limited(cluster, replicas, namespace, "image-tags", 1)
    await tags.put_stream(namespace, "app", [])
    assert (await push(api, namespace, "app", "", "a")).code == 201
    assert await stored(api, namespace, "app") == {"latest": [digest("a")]}
    await tags.put_stream(namespace, "other", [])
    assert (await push(api, namespace, "other", "", "a")).code == 403


async def test_dry_runs_of_mappings_store_and_pass_no_limit(
    cluster: Cluster, replicas: Replicas, api: ImageApi, tags: Tags, namespace: str
) -> None:
    await limited(cluster, replicas, namespace, "image-tags", 5)
    await tags.put_stream(namespace, "app", [])
    api.delay = 0.5
    requests = [mapping(namespace, "app", f"v{number}", str(number)) for number in range(30)]
    answers = await asyncio.gather(
        *(api.create("imagestreammappings", one, dry_run=True) for one in requests)
    )
    assert sum(answer.admitted for answer in answers) == 5
    assert len(await stored(api, namespace, "app")) == 5


async def test_dry_runs_of_imports_store_and_pass_no_limit(
    cluster: Cluster, replicas: Replicas, api: ImageApi, namespace: str
) -> None:
    await limited(cluster, replicas, namespace, "images", 2)
    api.remote = {f"quay.io/team/app:v{n}": image(str(n)) for n in range(6)}
    api.delay = 0.5
    answers = await asyncio.gather(
        *(
            api.create(
                "imagestreamimports",
                imported(namespace, f"app-{n}", from_registry(f"quay.io/team/app:v{n}")),
                dry_run=True,
            )
            for n in range(6)
        )
    )
    assert sum(answer.admitted for answer in answers) == 2


async def test_a_tag_is_followed_again_when_its_import_mode_changes_and_passes_no_limit(
    cluster: Cluster, replicas: Replicas, api: ImageApi, tags: Tags, namespace: str
) -> None:
    follow = {"from": {"kind": "ImageStreamTag", "name": "source:v1"}}
    await tags.put_stream(namespace, "source", [])
    await push(api, namespace, "source", "v1", "small")
    await tags.put_stream(namespace, "app", [{"name": "f", **follow}])
    assert await stored(api, namespace, "app") == {"f": [digest("small")]}
    await push(api, namespace, "source", "v1", "large")
    patch = {"importPolicy": {"importMode": "PreserveOriginal"}}
    await limited_images_of_a_stream(cluster, replicas, namespace, 1)

    refused = await tags.put_tag(namespace, "app:f", patch)

    assert refused.code == 403, refused
    assert (await tags.put_tag(namespace, "app:f", {"annotations": {"a": "b"}})).admitted
    assert await stored(api, namespace, "app") == {"f": [digest("small")]}


async def limited_images_of_a_stream(
    cluster: Cluster, replicas: Replicas, namespace: str, images: int
) -> None:
    limits = [{"type": f"{DOMAIN}/ImageStream", "max": {f"{DOMAIN}/images": str(images)}}]
    limit_range = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "limits", "namespace": namespace},
        "spec": {"limits": limits},
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(limit_range))
    await asyncio.to_thread(replicas.wait_until_limited, namespace)


@pytest.mark.parametrize("kind", ["ImageStreamTag", "ImageTag"])
async def test_a_new_tag_comes_as_an_update_and_is_counted(
    cluster: Cluster, replicas: Replicas, api: ImageApi, tags: Tags, namespace: str, kind: str
) -> None:
    await limited(cluster, replicas, namespace, "image-tags", 1)
    await tags.put_stream(namespace, "app", [])
    source = {"from": {"kind": "DockerImage", "name": "quay.io/team/app:v1"}, "reference": True}
    assert (await tags.put_tag(namespace, "app:a", source, kind=kind, dry_run=True)).admitted
    assert (await tags.put_tag(namespace, "app:a", source, kind=kind)).admitted
    assert (await tags.put_tag(namespace, "app:b", source, kind=kind)).code == 403


async def test_deleting_a_tag_asks_nobody_and_makes_room(
    cluster: Cluster, replicas: Replicas, api: ImageApi, tags: Tags, namespace: str
) -> None:
    await limited(cluster, replicas, namespace, "image-tags", 1)
    await tags.put_stream(namespace, "app", [])
    assert (await push(api, namespace, "app", "v1", "a")).admitted
    assert (await push(api, namespace, "app", "v2", "a")).code == 403
    assert (await tags.delete_tag(namespace, "app:v1")).admitted

    async def admitted() -> bool:
        return (await push(api, namespace, "app", "v2", "a")).admitted

    async with asyncio.timeout(100):
        while not await admitted():
            await asyncio.sleep(0.5)


async def test_a_stream_comes_with_its_computed_status_and_is_counted(
    cluster: Cluster, replicas: Replicas, api: ImageApi, tags: Tags, namespace: str
) -> None:
    await tags.put_stream(namespace, "source", [])
    for name in ("a", "b"):
        await push(api, namespace, "source", name, name)
    await limited_images_of_a_stream(cluster, replicas, namespace, 1)
    both = [
        {"name": name, "from": {"kind": "ImageStreamTag", "name": f"source:{name}"}}
        for name in ("a", "b")
    ]
    assert (await tags.put_stream(namespace, "app", both)).code == 403
    assert (await tags.put_stream(namespace, "app", both[:1])).code == 201
    assert await stored(api, namespace, "app") == {"a": [digest("a")]}


async def test_an_import_by_digest_without_to_stores_no_tag_and_is_not_counted(
    cluster: Cluster, replicas: Replicas, api: ImageApi, namespace: str
) -> None:
    await limited(cluster, replicas, namespace, "image-tags", 0)
    source = f"quay.io/team/app@{digest('a')}"
    api.remote = {source: image("a")}
    answer = await api.create(
        "imagestreamimports", imported(namespace, "app", from_registry(source))
    )
    assert answer.code == 201, answer
    assert await stored(api, namespace, "app") == {}


async def test_several_digests_imported_to_one_tag_are_all_counted(
    cluster: Cluster, replicas: Replicas, api: ImageApi, namespace: str
) -> None:
    api.remote = {f"quay.io/team/app@{digest(name)}": image(name) for name in "abc"}
    sources = [from_registry(source, "all") for source in api.remote]
    await limited(cluster, replicas, namespace, "images", 2)
    refused = await api.create("imagestreamimports", imported(namespace, "app", *sources))
    assert refused.code == 403, refused

    allowed = await api.create("imagestreamimports", imported(namespace, "app", *sources[:2]))

    assert allowed.code == 201, allowed
    assert await stored(api, namespace, "app") == {"all": [digest("b"), digest("a")]}


async def test_an_import_of_a_list_in_mode_legacy_stores_its_child_and_counts_one(
    cluster: Cluster, replicas: Replicas, api: ImageApi, tags: Tags, namespace: str
) -> None:
    child = {"digest": digest("amd64"), "os": "linux", "architecture": "amd64", "manifestSize": 7}
    child["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
    listed = image("list", dockerImageManifests=[child], dockerImageLayers=None)
    api.remote = {
        f"quay.io/team/app@{digest('list')}": listed,
        f"quay.io/team/app@{digest('amd64')}": image("amd64"),
    }
    await limited(cluster, replicas, namespace, "images", 1)
    source = from_registry(f"quay.io/team/app@{digest('list')}", "v1")

    answer = await api.create("imagestreamimports", imported(namespace, "app", source))

    assert answer.code == 201, answer
    assert await stored(api, namespace, "app") == {"v1": [digest("amd64")]}
    await tags.put_stream(namespace, "other", [])
    assert (await push(api, namespace, "other", "v1", "another")).code == 403


async def test_the_children_of_a_list_come_first_and_then_a_mapping_of_size_0(
    cluster: Cluster, replicas: Replicas, api: ImageApi, tags: Tags, namespace: str
) -> None:
    await limited(cluster, replicas, namespace, "images", 1)
    await tags.put_stream(namespace, "app", [])
    assert (await tags.create_image(image("child"))).code == 201
    body = mapping(namespace, "app", "v1", "pushed-list")
    body["image"]["dockerImageLayers"] = None
    body["image"]["dockerImageMetadata"] = {"Size": 0}

    answer = await api.create("imagestreammappings", body)

    assert answer.code == 201, answer
    assert await stored(api, namespace, "app") == {"v1": [digest("pushed-list")]}
    await tags.put_stream(namespace, "other", [])
    assert (await push(api, namespace, "other", "v1", "another")).code == 403
