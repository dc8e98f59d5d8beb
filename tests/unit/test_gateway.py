"""Pushes through a gateway with a fake registry behind it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from app.gateway.transport import UpstreamError
from app.gateway.usage_store import UsageStore
from app.model.limits import NamespaceLimits
from app.model.manifest import OCI_INDEX, OCI_MANIFEST
from tests.unit.gateways import (
    MANIFESTS,
    NEVER_SENT,
    NO_ANSWER,
    UPLOADS,
    FakeRegistry,
    Handler,
    broken,
    gateway,
    push,
    usage_store,
)
from tests.unit.pushes import digest_of, image
from tests.unit.stores import limit, quota


@pytest.fixture
def store(tmp_path: Path) -> Iterator[UsageStore]:
    with usage_store(tmp_path) as made:
        yield made


async def test_client_without_push_rights_gets_the_registrys_answer_and_no_limit() -> None:
    refusal = {"WWW-Authenticate": 'Basic realm="r"'}
    registry = FakeRegistry(
        get=lambda _: httpx.Response(200),
        POST_upload=lambda _: httpx.Response(401, headers=refusal),
    )
    client = gateway(registry, NamespaceLimits(image_size=limit("1Ki")))

    answers = [
        await push(client, "v1", image(2048)),
        await client.post(UPLOADS, content=bytes(2048)),
        await client.patch(f"{UPLOADS}1", content=bytes(2048)),
    ]

    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="r"'
        assert "Ki" not in answer.text


async def test_only_the_log_has_the_address_of_a_registry_that_does_not_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A client needs no credentials to get this answer."""
    problem = "Cannot connect to host 10.1.2.3:5000"
    registry = FakeRegistry(get=broken(UpstreamError(problem, maybe_done=False)))

    answer = await gateway(registry, NamespaceLimits()).get("/v2/")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "does not answer" in answer.text
    assert "10.1.2.3" not in answer.text
    [record] = [found for found in caplog.records if found.message == "registry does not answer"]
    assert vars(record)["problem"] == problem


async def test_push_right_is_checked_once_for_many_pushes() -> None:
    registry = FakeRegistry()
    client = gateway(registry, NamespaceLimits(quotas=(quota(image_tags=50),)))

    for n in range(20):
        assert (await push(client, f"v{n}", image(n))).status_code == 201

    assert registry.asked.count(f"POST {UPLOADS}") == 1
    assert registry.asked.count(f"DELETE {UPLOADS}1") == 1


async def test_push_right_of_one_client_is_not_used_for_another() -> None:
    def upload(request: httpx.Request) -> httpx.Response:
        pushes = request.headers.get("authorization") == "Basic pusher"
        return httpx.Response(202 if pushes else 403)

    registry = FakeRegistry(POST_upload=upload)
    client = gateway(registry, NamespaceLimits(image_size=limit("1Ki")))
    for user in ("pusher", "reader"):
        client.headers["Authorization"] = f"Basic {user}"
        answer = await client.post(UPLOADS, content=bytes(2048))

    assert answer.status_code == 403
    assert "Ki" not in answer.text


@pytest.mark.parametrize(
    ("outcome", "status", "kept"),
    [
        pytest.param(lambda _: httpx.Response(400), 400, False, id="refused"),
        pytest.param(
            broken(UpstreamError("refused", maybe_done=False)), 503, False, id="never sent"
        ),
        pytest.param(NO_ANSWER, 503, True, id="no answer"),
        pytest.param(lambda _: httpx.Response(502), 502, True, id="a proxy's answer"),
    ],
)
async def test_reservation_is_kept_while_the_push_outcome_is_unknown(
    outcome: Handler, status: int, kept: bool
) -> None:
    registry = FakeRegistry(PUT_manifest=outcome)
    client = gateway(registry, NamespaceLimits(quotas=(quota(image_tags=1),)))

    failed = await push(client, "v1", image(1))
    del registry.answers["PUT_manifest"]
    again = await push(client, "v1", image(1)) if kept else None
    other = await push(client, "v2", image(2))

    assert failed.status_code == status
    assert other.status_code == (403 if kept else 201)
    assert again is None or again.status_code == 201


async def test_the_only_tag_can_move_to_another_image_while_the_quota_is_full(
    store: UsageStore,
) -> None:
    client = gateway(FakeRegistry(), NamespaceLimits(quotas=(quota(images=1),)), store=store)

    first = await push(client, "v1", image(1))
    other = await push(client, "v2", image(2))
    replaced = [await push(client, "v1", image(n)) for n in (2, 3)]
    shared = await push(client, "v2", image(3))
    kept = await push(client, "v1", image(4))

    assert (first.status_code, other.status_code) == (201, 403)
    assert [answer.status_code for answer in replaced] == [201, 201]
    assert shared.status_code == 201
    assert kept.status_code == 403


@pytest.mark.parametrize(
    "media_type",
    [
        pytest.param("", id="none"),
        pytest.param(OCI_MANIFEST, id="its own"),
        pytest.param(OCI_MANIFEST.upper(), id="in capitals"),
        pytest.param(f"{OCI_MANIFEST}; charset=utf-8", id="with a parameter"),
        pytest.param("application/vnd.oci.image.layer.v1.tar+gzip", id="that of a layer"),
        pytest.param("application/octet-stream", id="unknown"),
    ],
)
async def test_image_of_an_index_counts_under_any_media_type(
    tmp_path: Path, media_type: str
) -> None:
    child = image(1)
    listed = {"mediaType": media_type, "digest": digest_of(child), "size": len(child)}
    both = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [listed]})
    with usage_store(tmp_path, grace=0) as store:
        client = gateway(FakeRegistry(), NamespaceLimits(quotas=(quota(images=2),)), store=store)

        pushed = [
            await push(client, digest_of(child), child),
            await push(client, "v1", both.encode(), OCI_INDEX),
            await push(client, "v2", image(2)),
        ]

    assert [answer.status_code for answer in pushed] == [201, 201, 403]


async def test_concurrent_pushes_do_not_both_replace_one_image(store: UsageStore) -> None:
    client = gateway(FakeRegistry(), NamespaceLimits(quotas=(quota(images=1),)), store=store)
    await push(client, "v1", image(1))

    await asyncio.gather(
        *(push(client, "v1", image(n)) for n in range(2, 8)),
        *(push(client, f"other{n}", image(1)) for n in range(8)),
    )

    assert store.inventory.usage["team-a"].image_count == 1


@pytest.mark.parametrize("error", [RuntimeError("a bug"), asyncio.CancelledError()])
async def test_outcome_of_a_push_is_unknown_after_an_unexpected_end(
    store: UsageStore, error: BaseException
) -> None:
    registry = FakeRegistry(PUT_manifest=broken(error))
    client = gateway(registry, NamespaceLimits(quotas=(quota(images=1),)), store=store)

    with pytest.raises(type(error)):
        await push(client, "v1", image(1))

    assert store.inventory.usage["team-a"].tag_count == 1
    assert store.inventory.something_due.is_set()


async def test_push_gets_503_while_the_catalog_is_not_listed(store: UsageStore) -> None:
    client = gateway(FakeRegistry(), NamespaceLimits(quotas=(quota(images=1),)), store=store)
    store.reader._coverage.catalog_problem = "the registry's catalog is being listed"

    refused = await push(client, "v1", image(1))

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert "catalog is being listed" in refused.text


@pytest.mark.parametrize(
    ("outcome", "asked"),
    [
        pytest.param(lambda _: httpx.Response(202), True, id="deleted"),
        pytest.param(lambda _: httpx.Response(401), False, id="no credentials"),
        pytest.param(lambda _: httpx.Response(405), False, id="not supported"),
        pytest.param(lambda _: httpx.Response(502), True, id="a proxy's answer"),
        pytest.param(NO_ANSWER, True, id="no answer"),
        pytest.param(NEVER_SENT, False, id="never sent"),
    ],
)
async def test_registry_is_asked_after_a_deletion_that_may_have_succeeded(
    store: UsageStore, outcome: Handler, asked: bool
) -> None:
    registry = FakeRegistry()
    client = gateway(registry, NamespaceLimits(quotas=(quota(images=1),)), store=store)
    await push(client, "v1", image(1))
    registry.answers["DELETE_manifest"] = outcome

    await client.delete(f"{MANIFESTS}v1")
    await store.inventory.ask_due()

    assert store.inventory.usage["team-a"].tag_count == (0 if asked else 1)


async def test_manifests_in_memory_are_bounded() -> None:
    client = gateway(FakeRegistry(), NamespaceLimits(quotas=(quota(image_tags=50),)))
    here = asyncio.Barrier(30)

    async def large() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(2**20)
        await here.wait()

    async def push_large() -> int:
        headers = {"Content-Type": OCI_MANIFEST}
        answer = await client.put(f"{MANIFESTS}v1", content=large(), headers=headers)
        return answer.status_code

    statuses = await asyncio.gather(*(push_large() for _ in range(30)))
    after = await push(client, "v1", image(1))

    assert set(statuses) == {400, 429}
    assert 7 <= statuses.count(400) <= 32 // 3
    assert after.status_code == 201


async def test_slow_manifests_of_one_namespace_leave_room_for_others() -> None:
    client = gateway(FakeRegistry(), NamespaceLimits(quotas=(quota(image_tags=50),)))
    all_there, ending, came = asyncio.Event(), asyncio.Event(), 0

    async def slow() -> AsyncIterator[bytes]:
        nonlocal came
        for _ in range(4):
            yield bytes(2**20)
        came += 1
        if came == 16:
            all_there.set()
        await ending.wait()

    async def push_slowly() -> None:
        headers = {"Content-Type": OCI_MANIFEST}
        await client.put(f"{MANIFESTS}v1", content=slow(), headers=headers)

    pushes = [asyncio.create_task(push_slowly()) for _ in range(16)]
    await all_there.wait()
    other = await client.put(
        "/v2/team-b/app/manifests/v1", content=image(1), headers={"Content-Type": OCI_MANIFEST}
    )
    ending.set()
    await asyncio.gather(*pushes)

    assert other.status_code == 201


async def test_gateway_warns_about_a_limit_that_is_not_enforced() -> None:
    limits = NamespaceLimits(image_size=replace(limit("1Ki"), mode="warn"))
    answer = await push(gateway(FakeRegistry(), limits), "v1", image(2048))
    assert answer.status_code == 201
    assert answer.headers["warning"].startswith('299 - "would be refused: requested usage')
