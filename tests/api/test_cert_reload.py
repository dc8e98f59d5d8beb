"""A running server loads new certificates, as its TLS clients see."""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

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
    by_events,
    ca,
    connect,
    present,
    presented,
    put,
    serving,
    wait_until_presented,
)
from tests.unit.certificates import encrypted, self_signed, serial_of

NAMES = ["localhost", "127.0.0.1"]


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


def test_tls_below_1_2_is_refused(tmp_path: Path) -> None:
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


async def test_key_of_another_type_replaces_the_old_one(tmp_path: Path) -> None:
    files.make(tmp_path, NAMES)
    new = with_rsa_key(2048)

    async with serving(tmp_path) as server:
        put(tmp_path, new)
        server.certificates.reload()

        trusted = authority.bundle(ca(tmp_path), new.certificate)
        assert await presented(server.port, trusted) == serial_of(new)


async def test_clients_trusting_both_cas_see_no_gap(
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


def test_expiry_metric_is_of_the_served_certificate(tmp_path: Path) -> None:
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


def test_each_problem_of_changed_files_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="registry_admission.certs")
    files.make(tmp_path, NAMES)
    context = ServingContext(tmp_path / files.CERTIFICATE, tmp_path / files.KEY)

    for _ in range(2):
        (tmp_path / files.CERTIFICATE).write_text("no certificate")
        context.reload()
        context.reload()
        files.make(tmp_path / "new", NAMES)
        for name in (files.CERTIFICATE, files.KEY):
            (tmp_path / "new" / name).replace(tmp_path / name)
        context.reload()

    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"] * 2


async def test_the_service_takes_up_a_new_certificate_while_it_runs(tmp_path: Path) -> None:
    async with service.serve(tmp_path) as running:
        port = int(running.url.rpartition(":")[2])
        new = files.make(tmp_path / "tls", NAMES)

        await wait_until_presented(serial_of(new), port, ca(tmp_path / "tls"))
        assert (await running.client.get("/healthz")).status_code == 200
