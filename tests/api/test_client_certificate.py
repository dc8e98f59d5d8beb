"""With `--client-ca`, reviews are taken from API servers only."""

import asyncio
import contextlib
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from app.certs import authority, files
from app.certs.authority import KeyPair
from app.certs.reload import ServingContext
from tests import payloads
from tests.api.service import serve, wait_until_ready
from tests.patience import PATIENCE
from tests.unit.certificates import client_of

NOW = datetime.now(UTC)
PUSH = json.loads((Path(payloads.__file__).parent / "push-allowed.json").read_text())


@pytest.fixture
def signer(tmp_path: Path) -> KeyPair:
    signer = authority.make_authority(NOW)
    (tmp_path / "client-ca.crt").write_bytes(signer.certificate)
    return signer


def pem_of(pair: KeyPair) -> bytes:
    return pair.key + pair.certificate


def client(folder: Path, url: str, certificate: KeyPair | None) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=folder / "tls" / files.AUTHORITY)
    if certificate is not None:
        (folder / "client.pem").write_bytes(pem_of(certificate))
        context.load_cert_chain(folder / "client.pem")
    return httpx.AsyncClient(base_url=url, verify=context, timeout=PATIENCE)


@pytest.mark.parametrize(
    ("names", "name", "code"),
    [
        pytest.param("", "kube-apiserver", 200, id="any name will do"),
        pytest.param("kube-apiserver,other", "kube-apiserver", 200, id="one of the names"),
        pytest.param("kube-apiserver", "somebody", 401, id="another name"),
        pytest.param("", None, 401, id="no certificate"),
    ],
)
async def test_reviews_need_the_certificate_of_an_api_server(
    tmp_path: Path, signer: KeyPair, names: str, name: str | None, code: int
) -> None:
    flags = ["--client-ca", str(tmp_path / "client-ca.crt"), "--client-names", names]
    async with serve(tmp_path, *flags) as running:
        certificate = None if name is None else client_of(signer, name, NOW)
        async with client(tmp_path, running.url, certificate) as caller:
            answers = [await caller.post(path, json=PUSH) for path in ("/validate", "/mutate")]

    assert [answer.status_code for answer in answers] == [code, code]
    if code == 401:
        assert "need the client certificate of an API server" in answers[0].json()["message"]


async def test_changed_client_ca_file_is_loaded(tmp_path: Path, signer: KeyPair) -> None:
    """Even a client that could resume its session needs a certificate of the new CA."""
    successor = authority.make_authority(NOW)
    async with serve(tmp_path, "--client-ca", str(tmp_path / "client-ca.crt")) as running:
        old = client_of(signer, "kube-apiserver", NOW)
        new = client_of(successor, "kube-apiserver", NOW)
        assert await code_of(tmp_path, running.url, old) == 200
        assert await code_of(tmp_path, running.url, new) is None
        (tmp_path / "client-ca.crt").write_bytes(successor.certificate)
        async with asyncio.timeout(PATIENCE):
            while await code_of(tmp_path, running.url, new) is None:
                await asyncio.sleep(0.05)

        assert await code_of(tmp_path, running.url, new) == 200
        assert await code_of(tmp_path, running.url, old) is None


async def test_broken_client_ca_file_leaves_the_old_cas_in_force(
    tmp_path: Path, signer: KeyPair, caplog: pytest.LogCaptureFixture
) -> None:
    files.make(tmp_path, ["localhost"])
    client_ca = tmp_path / "client-ca.crt"
    context = ServingContext(tmp_path / files.CERTIFICATE, tmp_path / files.KEY, client_ca)
    client_ca.write_text("no certificate")

    context.reload()

    caller = ssl.create_default_context(cafile=tmp_path / files.AUTHORITY)
    (tmp_path / "client.pem").write_bytes(pem_of(client_of(signer, "kube-apiserver", NOW)))
    caller.load_cert_chain(tmp_path / "client.pem")
    handshake(context.ssl, caller, None)
    assert "not reloaded" in caplog.text


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_no_session_is_resumed(tmp_path: Path, signer: KeyPair, version: ssl.TLSVersion) -> None:
    """A resumed session would keep a certificate whose CA is not trusted any more."""
    files.make(tmp_path, ["localhost"])
    context = ServingContext(
        tmp_path / files.CERTIFICATE, tmp_path / files.KEY, tmp_path / "client-ca.crt"
    )
    caller = ssl.create_default_context(cafile=tmp_path / files.AUTHORITY)
    caller.minimum_version = caller.maximum_version = version

    first = handshake(context.ssl, caller, None)
    second = handshake(context.ssl, caller, first.session)

    assert not second.session_reused


def handshake(
    server: ssl.SSLContext, caller: ssl.SSLContext, session: ssl.SSLSession | None
) -> ssl.SSLObject:
    """The client's end of a connection in memory."""
    to_server, to_caller = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        caller.wrap_bio(to_caller, to_server, server_hostname="localhost", session=session),
        server.wrap_bio(to_server, to_caller, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    ends[1].write(b"x")
    assert ends[0].read(1) == b"x"  # tickets come with the first data
    return ends[0]


async def code_of(folder: Path, url: str, certificate: KeyPair) -> int | None:
    """The status of a review; None if TLS refuses the certificate."""
    async with client(folder, url, certificate) as caller:
        try:
            return (await caller.post("/validate", json=PUSH)).status_code
        except httpx.TransportError:
            return None


async def test_probes_and_metrics_need_no_client_certificate(
    tmp_path: Path, signer: KeyPair
) -> None:
    async with serve(tmp_path, "--client-ca", str(tmp_path / "client-ca.crt")) as running:
        await wait_until_ready(running.client)
        codes = [(await running.client.get(path)).status_code for path in ("/healthz", "/metrics")]

    assert codes == [200, 200]


async def test_foreign_client_certificate_ends_the_handshake(
    tmp_path: Path, signer: KeyPair
) -> None:
    stranger = client_of(authority.make_authority(NOW), "kube-apiserver", NOW)
    async with (
        serve(tmp_path, "--client-ca", str(tmp_path / "client-ca.crt")) as running,
        client(tmp_path, running.url, stranger) as caller,
    ):
        with pytest.raises(httpx.TransportError):
            await caller.post("/validate", json=PUSH)
