"""Imports and lists of images in the Image API do not exceed a limit."""

import asyncio

import pytest

from .cluster import Cluster
from .image_api import ImageApi
from .image_requests import (
    digest,
    from_registry,
    image,
    imported,
    limited,
    mapping,
    push,
    stored,
)
from .replicas import Replicas
from .tags import Tags

pytestmark = pytest.mark.e2e


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
