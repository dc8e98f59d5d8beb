"""Push checks of the real command, on the example state."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from app.certs import files
from app.certs.authority import KeyPair, make_authority
from app.cli.main import main
from tests.api.service import serve
from tests.patience import PATIENCE
from tests.unit.certificates import client_of

TOKEN = "0123456789abcdef"
QUESTION = {"repository": "team-a/app", "declaredSize": 1200 * 2**20}


async def test_a_registry_asks_before_it_takes_a_blob(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN} registry *\n")
    async with serve(tmp_path, "--push-tokens", str(tokens)) as running:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        known = await running.client.post("/v1/push/blob", json=QUESTION, headers=bearer)
        stranger = await running.client.post("/v1/push/blob", json=QUESTION)
        documented = (await running.client.get("/openapi.json")).json()["paths"]

    assert known.status_code == 200
    assert (known.json()["allowed"], known.json()["remaining"]) == (False, 2**30)
    assert "(1.17Gi > 1Gi)" in known.json()["errors"][0]["message"]
    assert stranger.status_code == 401
    assert "/v1/push/manifest" in documented


async def test_push_check_without_authentication_is_refused(tmp_path: Path) -> None:
    async with serve(tmp_path) as running:
        answer = await running.client.post("/v1/push/blob", json=QUESTION)

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("name", "status"),
    [
        pytest.param("registry", 200, id="a name that the file has"),
        pytest.param("nobody", 401, id="a name that it has not"),
        pytest.param("", 401, id="no certificate"),
    ],
)
async def test_client_certificate_replaces_a_token(tmp_path: Path, name: str, status: int) -> None:
    authority = make_authority(datetime.now(UTC))
    (tmp_path / "clients.crt").write_bytes(authority.certificate)
    async with serve(tmp_path, *certified(tmp_path)) as running:
        context = ssl.create_default_context(cafile=tmp_path / "tls" / files.AUTHORITY)
        if name:
            context.load_cert_chain(client_certificate(tmp_path, authority, name))
        async with httpx.AsyncClient(
            base_url=running.url, verify=context, timeout=PATIENCE
        ) as client:
            answer = await client.post("/v1/push/blob", json=QUESTION)

    assert answer.status_code == status


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(("--client-ca", "clients.crt"), id="a CA of API servers only"),
        pytest.param(
            (
                *("--client-ca", "clients.crt", "--push-client-ca", "clients.crt"),
                *("--client-names", "registry"),
            ),
            id="the name of an API server",
        ),
    ],
)
async def test_certificate_of_an_api_server_is_refused_by_push_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    authority = make_authority(datetime.now(UTC))
    (tmp_path / "clients.crt").write_bytes(authority.certificate)
    (tmp_path / "tokens").write_text(f"{TOKEN} registry *\n")
    monkeypatch.chdir(tmp_path)
    async with serve(tmp_path, "--push-tokens", "tokens", *flags) as running:
        context = ssl.create_default_context(cafile=tmp_path / "tls" / files.AUTHORITY)
        context.load_cert_chain(client_certificate(tmp_path, authority, "registry"))
        async with httpx.AsyncClient(
            base_url=running.url, verify=context, timeout=PATIENCE
        ) as client:
            answer = await client.post("/v1/push/blob", json=QUESTION)

    assert answer.status_code == 401


async def test_certificate_of_an_unknown_ca_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clients.crt").write_bytes(make_authority(datetime.now(UTC)).certificate)
    stranger = client_certificate(tmp_path, make_authority(datetime.now(UTC)), "registry")
    async with serve(tmp_path, *certified(tmp_path)) as running:
        context = ssl.create_default_context(cafile=tmp_path / "tls" / files.AUTHORITY)
        context.load_cert_chain(stranger)
        async with httpx.AsyncClient(
            base_url=running.url, verify=context, timeout=PATIENCE
        ) as client:
            with pytest.raises(httpx.TransportError):
                await client.post("/v1/push/blob", json=QUESTION)


def certified(folder: Path) -> tuple[str, ...]:
    """Flags for a service that knows one subject, and the CA in `clients.crt`."""
    (folder / "tokens").write_text(f"{TOKEN} registry *\n")
    tokens, authorities = folder / "tokens", folder / "clients.crt"
    return ("--push-tokens", str(tokens), "--push-client-ca", str(authorities))


def client_certificate(folder: Path, authority: KeyPair, name: str) -> Path:
    """Certificate and key of a client, in one file."""
    pair = client_of(authority, name, datetime.now(UTC))
    path = folder / "client.pem"
    path.write_bytes(pair.certificate + pair.key)
    return path


def test_two_authorities_need_names_to_tell_their_clients_apart(tmp_path: Path) -> None:
    files.make(tmp_path / "tls", ["localhost"])
    flags = [
        "--tls-dir",
        str(tmp_path / "tls"),
        "--client-ca",
        "a.crt",
        "--push-client-ca",
        "b.crt",
    ]

    result = CliRunner().invoke(main, ["serve", "--port", "0", *flags])

    assert result.exit_code == 3
    assert "client-ca and push-client-ca together need client-names" in result.output
