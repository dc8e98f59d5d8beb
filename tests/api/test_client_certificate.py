"""With `--client-ca`, reviews are taken from API servers only."""

import json
import ssl
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from app.certs import authority, files
from app.certs.authority import KeyPair
from tests import payloads
from tests.api.service import serve
from tests.unit.certificates import client_of

NOW = datetime.now(UTC)
PUSH = json.loads((Path(payloads.__file__).parent / "push-allowed.json").read_text())


@pytest.fixture
def signer(tmp_path: Path) -> KeyPair:
    signer = authority.make_authority(NOW)
    (tmp_path / "client-ca.crt").write_bytes(signer.certificate)
    return signer


def client(folder: Path, url: str, certificate: KeyPair | None) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=folder / "tls" / files.AUTHORITY)
    if certificate is not None:
        (folder / "client.pem").write_bytes(certificate.key + certificate.certificate)
        context.load_cert_chain(folder / "client.pem")
    return httpx.AsyncClient(base_url=url, verify=context, timeout=20)


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


async def test_probes_and_metrics_need_none(tmp_path: Path, signer: KeyPair) -> None:
    async with serve(tmp_path, "--client-ca", str(tmp_path / "client-ca.crt")) as running:
        codes = [
            (await running.client.get(path)).status_code
            for path in ("/healthz", "/readyz", "/metrics")
        ]

    assert codes == [200, 200, 200]


async def test_a_certificate_of_somebody_else_is_not_even_listened_to(
    tmp_path: Path, signer: KeyPair
) -> None:
    stranger = client_of(authority.make_authority(NOW), "kube-apiserver", NOW)
    async with (
        serve(tmp_path, "--client-ca", str(tmp_path / "client-ca.crt")) as running,
        client(tmp_path, running.url, stranger) as caller,
    ):
        with pytest.raises(httpx.TransportError):
            await caller.post("/validate", json=PUSH)
