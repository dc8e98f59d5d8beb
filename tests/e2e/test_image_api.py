"""Behaviour of the Image API; pushes, tags and streams do not exceed a limit."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.patience import PATIENCE

from .cluster import Cluster
from .image_api import ImageApi
from .image_requests import (
    digest,
    limited,
    limited_images_of_a_stream,
    mapping,
    push,
    stored,
)
from .pushes import Push, Pusher
from .replicas import Replicas
from .tags import Tags

pytestmark = pytest.mark.e2e


async def eventually(look: Callable[[], Awaitable[object]], expected: object) -> None:
    async with asyncio.timeout(PATIENCE):
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


async def test_deleting_a_tag_calls_no_webhook_and_makes_room(
    cluster: Cluster, replicas: Replicas, api: ImageApi, tags: Tags, namespace: str
) -> None:
    await limited(cluster, replicas, namespace, "image-tags", 1)
    await tags.put_stream(namespace, "app", [])
    assert (await push(api, namespace, "app", "v1", "a")).admitted
    assert (await push(api, namespace, "app", "v2", "a")).code == 403
    assert (await tags.delete_tag(namespace, "app:v1")).admitted

    async def admitted() -> bool:
        return (await push(api, namespace, "app", "v2", "a")).admitted

    async with asyncio.timeout(PATIENCE):
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
