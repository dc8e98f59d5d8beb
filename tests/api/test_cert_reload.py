"""A server takes up new certificates while it runs, as its TLS clients see it."""

import asyncio
import logging
import re
import shutil
import ssl
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from app.certs import authority, files
from app.certs.authority import KeyPair
from app.certs.files import CertificateError
from app.certs.reload import ServingContext
from tests.api import service
from tests.api.tls import (
    SOON,
    TIMEOUT,
    ca,
    connect,
    mount,
    present,
    presented,
    put,
    serving,
    wait_until_presented,
)
from tests.unit.certificates import encrypted, self_signed, serial_of

NAMES = ["localhost", "127.0.0.1"]
NEVER = 3600.0
"""A poll that no test waits for: what is seen with it was seen by a change event."""


async def by_events(certificates: ServingContext) -> None:
    await certificates.watch(poll=NEVER)


async def by_looking(certificates: ServingContext) -> None:
    await certificates.watch(poll=SOON)


async def wait_until_logged(text: str, caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(TIMEOUT):
        while True:
            if text in caplog.text:
                return
            await asyncio.sleep(SOON)


def with_rsa_key(bits: int) -> KeyPair:
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    )
    return self_signed(rsa.generate_private_key(65537, bits), datetime.now(UTC), names)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_ca_connects(
    tmp_path: Path,
    run: Callable[[Coroutine[Any, Any, None]], None],
    version: ssl.TLSVersion,
    name: str,
) -> None:
    made = files.make(tmp_path, NAMES)

    async def talk() -> None:
        async with (
            serving(tmp_path) as server,
            connect(server.port, ca(tmp_path), name, version) as connection,
        ):
            assert await connection.echo(b"hello") == b"hello"
            assert connection.serial == serial_of(made)

    run(talk())


async def test_a_client_that_does_not_trust_the_ca_refuses(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES)
    another = authority.make_authority(datetime.now(UTC)).certificate

    async with serving(tmp_path) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            await presented(server.port, another)


def test_nothing_older_than_tls_1_2_is_spoken(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES)
    context = ServingContext(tmp_path / files.CERTIFICATE, tmp_path / files.KEY)

    assert context.ssl.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_new_connections_see_a_new_certificate_and_open_ones_go_on(tmp_path: Path) -> None:
    old = files.make(tmp_path, NAMES)

    async with (
        serving(tmp_path, by_events) as server,
        connect(server.port, ca(tmp_path)) as connection,
    ):
        new = files.make(tmp_path, NAMES)

        await wait_until_presented(serial_of(new), server.port, ca(tmp_path))
        assert await connection.echo(b"still here") == b"still here"
        assert connection.serial == serial_of(old)


async def test_a_key_of_another_kind_replaces_the_old_one(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES)
    new = with_rsa_key(2048)

    async with serving(tmp_path) as server:
        put(tmp_path, new)
        server.certificates.reload()

        trusted = authority.bundle(ca(tmp_path), new.certificate)
        assert await presented(server.port, trusted) == serial_of(new)


async def test_clients_that_trust_both_authorities_see_no_gap_when_the_ca_changes(
    tmp_path: Path,
) -> None:
    old = files.make(tmp_path / "old", NAMES)
    new = files.make(tmp_path / "new", NAMES)
    trusted = authority.bundle(ca(tmp_path / "old"), ca(tmp_path / "new"))

    async with serving(tmp_path / "old") as server:
        assert await presented(server.port, trusted) == serial_of(old)
        put(tmp_path / "old", new)
        server.certificates.reload()
        assert await presented(server.port, trusted) == serial_of(new)


def garbage(folder: Path) -> None:
    (folder / files.CERTIFICATE).write_text("-----BEGIN CERTIFICATE-----\n")


def another_key(folder: Path) -> None:
    (folder / files.KEY).write_bytes(files.make(folder / "other", NAMES).key)


def no_key(folder: Path) -> None:
    (folder / files.KEY).unlink()


def encrypted_key(folder: Path) -> None:
    put(folder, encrypted(present(folder)))


def weak_key(folder: Path) -> None:
    put(folder, with_rsa_key(1024))


BROKEN = [
    pytest.param(garbage, "the certificate cannot be read", id="garbage"),
    pytest.param(another_key, "the private key is not the certificate's", id="another key"),
    pytest.param(no_key, "tls.key is missing", id="no key"),
    pytest.param(encrypted_key, "without a password", id="encrypted key"),
    pytest.param(weak_key, "OpenSSL refuses them .*; make a certificate with", id="weak key"),
]


@pytest.mark.parametrize(("damage", "problem"), BROKEN)
async def test_a_broken_replacement_leaves_the_old_certificate_in_force(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    problem: str,
) -> None:
    old = files.make(tmp_path, NAMES)

    async with serving(tmp_path) as server:
        expiry = server.certificates.expires_at()
        damage(tmp_path)
        server.certificates.reload()

        assert await presented(server.port, ca(tmp_path)) == serial_of(old)
        assert server.certificates.expires_at() == expiry
        [record] = caplog.records
        assert (record.name, record.levelno) == ("registry_admission.certs", logging.ERROR)
        assert "the old one stays" in record.getMessage()
        assert re.search(problem, record.getMessage())
        assert str(tmp_path / files.KEY) in record.getMessage()
        assert "PRIVATE KEY" not in caplog.text

        new = files.make(tmp_path, NAMES)
        server.certificates.reload()
        assert await presented(server.port, ca(tmp_path)) == serial_of(new)


@pytest.mark.parametrize(("damage", "problem"), BROKEN)
def test_a_server_does_not_start_on_broken_files(
    tmp_path: Path, damage: Callable[[Path], None], problem: str
) -> None:
    files.make(tmp_path, NAMES)
    damage(tmp_path)

    with pytest.raises(CertificateError, match=problem):
        ServingContext(tmp_path / files.CERTIFICATE, tmp_path / files.KEY)


async def test_the_watcher_outlives_a_broken_replacement(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = files.make(tmp_path, NAMES)

    async with serving(tmp_path, by_events) as server:
        garbage(tmp_path)
        await wait_until_logged("the old one stays", caplog)
        assert await presented(server.port, ca(tmp_path)) == serial_of(old)

        new = files.make(tmp_path, NAMES)
        await wait_until_presented(serial_of(new), server.port, ca(tmp_path))


async def test_a_mounted_secret_is_followed(tmp_path: Path) -> None:
    source, volume = tmp_path / "source", tmp_path / "volume"
    mount(volume, "..2030_01_01", files.make(source, NAMES))

    async with serving(volume, by_events) as server:
        for version in ("..2030_01_02", "..2030_01_03"):
            new = files.make(source, NAMES)
            mount(volume, version, new)
            await wait_until_presented(serial_of(new), server.port, ca(source))


async def test_a_change_without_an_event_is_found_by_looking(tmp_path: Path) -> None:
    """The folder itself is a link: what happens beside it is no event in it."""
    authorities, current = tmp_path / "ca", tmp_path / "current"
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        put(tmp_path / version, files.make(authorities, NAMES))
    current.symlink_to("v1")

    async with serving(current, by_looking) as server:
        (tmp_path / "next").symlink_to("v2")
        (tmp_path / "next").replace(current)

        new = present(current)
        await wait_until_presented(serial_of(new), server.port, ca(authorities))


async def test_a_folder_that_cannot_be_watched_is_looked_at(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, folder = tmp_path / "source", tmp_path / "tls"
    old = files.make(source, NAMES)
    shutil.copytree(source, folder)

    async def removed_before_watching(certificates: ServingContext) -> None:
        shutil.rmtree(folder)
        await certificates.watch(poll=SOON)

    async with serving(folder, removed_before_watching) as server:
        await wait_until_logged("cannot watch certificates", caplog)
        assert await presented(server.port, ca(source)) == serial_of(old)

        new = files.make(source, NAMES)
        shutil.copytree(source, folder)
        await wait_until_presented(serial_of(new), server.port, ca(source))


@pytest.mark.parametrize("error", [OSError("too many files"), RuntimeError("no watcher")], ids=repr)
async def test_where_nothing_can_be_watched_changes_are_found_by_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("app.certs.reload.awatch", Mock(side_effect=error))
    files.make(tmp_path, NAMES)

    async with serving(tmp_path, by_looking) as server:
        new = files.make(tmp_path, NAMES)
        await wait_until_presented(serial_of(new), server.port, ca(tmp_path))


async def test_the_watcher_stops_at_once_when_it_is_cancelled(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES)

    async with serving(tmp_path, by_events):
        start = time.monotonic()
    assert time.monotonic() - start < 2


def test_the_expiry_is_that_of_the_certificate_in_force(tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    files.make(tmp_path, NAMES, now)
    context = ServingContext(tmp_path / files.CERTIFICATE, tmp_path / files.KEY)
    assert context.expires_at() == (now + timedelta(days=365)).timestamp()

    files.make(tmp_path, NAMES, now + timedelta(days=1))
    assert context.expires_at() == (now + timedelta(days=365)).timestamp()
    context.reload()
    assert context.expires_at() == (now + timedelta(days=366)).timestamp()


def test_files_that_did_not_change_are_not_loaded_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files.make(tmp_path, NAMES)
    context = ServingContext(tmp_path / files.CERTIFICATE, tmp_path / files.KEY)
    caplog.set_level(logging.INFO)

    (tmp_path / files.CERTIFICATE).touch()
    context.reload()
    assert caplog.records == []

    files.make(tmp_path, NAMES)
    context.reload()
    assert [record.getMessage() for record in caplog.records] == ["certificate reloaded"]


async def test_the_service_takes_up_a_new_certificate_while_it_runs(tmp_path: Path) -> None:
    async with service.serve(tmp_path) as running:
        port = int(running.url.rpartition(":")[2])
        new = files.make(tmp_path / "tls", NAMES)

        await wait_until_presented(serial_of(new), port, ca(tmp_path / "tls"))
        assert (await running.client.get("/healthz")).status_code == 200
