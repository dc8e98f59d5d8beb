"""A replica makes, renews and publishes the certificates that all replicas share."""

import asyncio
import contextlib
import copy
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from app.certs import files, rotation, trust
from app.cluster.api import ApiError, Content
from tests.unit.certificates import verify
from tests.unit.cluster_certs import (
    HOUR,
    MUTATING,
    NAMES,
    NOW,
    SECRET,
    VALIDATING,
    FakeApi,
    Replica,
    always,
    never,
)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def replica(api: FakeApi, tmp_path: Path) -> Replica:
    return Replica(api, tmp_path / "a")


def without(content: Content, *names: str) -> Content:
    return {key: value for key, value in content.items() if key not in names}


async def test_first_replica_creates_ca_and_certificate(api: FakeApi, replica: Replica) -> None:
    before = {path: copy.deepcopy(api.objects[path]) for path in (VALIDATING, MUTATING)}
    await replica.settle()

    secret = api.objects[SECRET]
    assert secret["type"] == "kubernetes.io/tls"
    trusted = b64decode(secret["data"]["ca.crt"])
    assert api.bundles() == [trusted] * 3
    for name in NAMES:
        verify(replica.served, trusted, name, NOW)
    assert replica.ready
    for path, content in before.items():
        assert [without(hook, "clientConfig") for hook in api.objects[path]["webhooks"]] == [
            without(hook, "clientConfig") for hook in content["webhooks"]
        ]


async def test_replicas_that_start_together_share_one_certificate(
    api: FakeApi, tmp_path: Path
) -> None:
    replicas = [Replica(api, tmp_path / name) for name in "abc"]

    await asyncio.gather(*(replica.certificates.prepare() for replica in replicas))
    await asyncio.gather(*(replica.settle() for replica in replicas))

    assert len({replica.served for replica in replicas}) == 1
    assert all(replica.ready for replica in replicas)
    assert api.writes.count(SECRET) == 1


async def test_no_write_without_a_due_rotation(api: FakeApi, replica: Replica) -> None:
    await replica.settle()
    api.writes.clear()
    replica.now += 100 * HOUR

    assert not await replica.certificates.step()
    assert api.writes == []


async def test_replica_is_not_ready_before_its_ca_is_in_the_webhooks(
    api: FakeApi, replica: Replica
) -> None:
    await replica.certificates.step()
    api.failing = lambda path: path == MUTATING
    with pytest.raises(ApiError):
        await replica.certificates.step()

    assert replica.served  # the replica answers probes with this certificate
    assert not replica.ready

    api.failing = never
    assert await replica.certificates.step()
    assert "only just written" in replica.certificates.problems()[0]
    await replica.settle()
    assert replica.ready


async def test_ready_replica_stays_ready_without_an_api_server(
    api: FakeApi, replica: Replica
) -> None:
    await replica.settle()
    served = replica.served
    api.failing = always

    with pytest.raises(ApiError):
        await replica.certificates.step()

    assert replica.ready
    assert replica.served == served


async def test_preparation_waits_for_the_api_server(api: FakeApi, replica: Replica) -> None:
    down = iter([True])
    api.failing = lambda _path: next(down, False)

    await replica.certificates.prepare()

    verify(replica.served, b64decode(api.objects[SECRET]["data"]["ca.crt"]), NAMES[0], NOW)


async def test_removed_ca_bundle_is_restored(api: FakeApi, replica: Replica) -> None:
    await replica.settle()
    bundles = api.bundles()
    del api.objects[VALIDATING]["webhooks"][1]["clientConfig"]["caBundle"]
    assert api.bundles() != bundles

    await replica.settle()

    assert api.bundles() == bundles


async def test_a_configuration_that_cannot_be_written_keeps_no_other_from_its_bundle(
    api: FakeApi, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = api.apply

    async def apply(path: str, *content: Any, **options: Any) -> Content:
        if path == VALIDATING:
            raise ApiError(422, "another webhook is invalid")
        return await write(path, *content, **options)

    monkeypatch.setattr(api, "apply", apply)
    for _ in range(3):
        with contextlib.suppress(ApiError):
            await replica.certificates.step()

    assert "caBundle" in api.objects[MUTATING]["webhooks"][0]["clientConfig"]
    assert not replica.ready


async def test_missing_webhook_configuration_is_ignored(
    api: FakeApi, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    del api.objects[MUTATING]

    await replica.settle()

    assert replica.ready
    assert "MutatingWebhookConfiguration registry-admission" in caplog.text


async def test_foreign_secret_is_not_changed(api: FakeApi, replica: Replica) -> None:
    theirs = {
        "metadata": {"resourceVersion": "7"},
        "data": {"tls.crt": "dGhlaXJz", "tls.key": "dGhlaXJz"},
    }
    api.objects[SECRET] = copy.deepcopy(theirs)

    with pytest.raises(files.CertificateError, match=r"has no ca\.key.*--tls-dir, or delete it"):
        await replica.certificates.step()

    assert api.objects[SECRET] == theirs


@pytest.mark.parametrize("data", [{"ca.key": "?"}, {}, None], ids=["broken", "empty", "no data"])
async def test_broken_secret_is_refilled_and_keeps_its_labels(
    api: FakeApi, replica: Replica, data: dict[str, str] | None
) -> None:
    metadata = {"resourceVersion": "7", "labels": {"team": "platform"}}
    api.objects[SECRET] = {"metadata": metadata, "data": data}

    await replica.settle()

    assert api.objects[SECRET]["metadata"]["labels"] == {"team": "platform"}
    assert rotation.decode(api.objects[SECRET]["data"]).serving.certificate == replica.served


@pytest.mark.parametrize("years", [-20, 20], ids=["ended long ago", "begins in years"])
async def test_untrusted_certificate_is_replaced_before_serving(
    api: FakeApi, tmp_path: Path, years: int
) -> None:
    other = Replica(api, tmp_path / "other")
    other.now += years * 365 * 24 * HOUR
    await other.settle()
    replica = Replica(api, tmp_path / "a")

    while not replica.ready:
        await replica.certificates.step()
        served = [replica.served] if (replica.folder / files.CERTIFICATE).exists() else []
        assert other.served not in served

    verify(replica.served, api.bundles()[0], NAMES[0], NOW)


async def test_deleting_the_secret_rotates_the_certificate(api: FakeApi, replica: Replica) -> None:
    await replica.settle()
    old, old_bundle = replica.served, api.bundles()[0]
    del api.objects[SECRET]
    replica.now += HOUR

    await replica.certificates.step()
    assert await replica.certificates.step()
    assert replica.served == old  # until the API servers have seen the new CA
    for bundle in api.bundles():
        verify(old, bundle, NAMES[0], replica.now)

    await replica.settle()
    verify(replica.served, api.bundles()[0], NAMES[0], replica.now)
    assert replica.served != old

    replica.now += 2 * HOUR
    await replica.settle()
    assert set(trust.split(api.bundles()[0])).isdisjoint(trust.split(old_bundle))
