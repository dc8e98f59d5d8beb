"""The page behind oauth2-proxy: people sign in at the provider that the API server trusts."""

import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.patience import PATIENCE
from tests.ports import free_port

from .cluster import Cluster, build_tools
from .domain import DOMAIN
from .identity_provider import IdentityProvider
from .observed import quota
from .replicas import Replicas

pytestmark = pytest.mark.e2e

SEEN, OTHER = "sign-in-seen", "sign-in-other"
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "page-sign-in.md"
ISSUER = "https://login.example.com"


def flags_of(number: int, places: dict[str, str]) -> list[str]:
    """The flags in a block of the how-to, with the addresses of this machine."""
    block = re.findall(r"```text\n(.*?)```", HOW_TO.read_text(), re.DOTALL)[number]
    for written, here in places.items():
        assert written in block
        block = block.replace(written, here)
    return list(block.splitlines())


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityProvider]:
    folder = tmp_path_factory.mktemp("provider")
    with IdentityProvider(folder, "registry-page", "ada@example.com", ["team-a"]) as running:
        yield running


@pytest.fixture(scope="module")
def cluster(
    provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster that trusts the provider, with two namespaces; a group may see the first one."""
    flags = [*flags_of(0, {ISSUER: provider.issuer}), f"--oidc-ca-file={provider.ca_file}"]
    folder = tmp_path_factory.mktemp("trusting")
    with Cluster(build_tools(), folder, flags=flags) as running:
        running.install_crds()
        for namespace in (SEEN, OTHER):
            running.kubectl("apply", "-f", "-", input=quota(namespace, "image-tags", 1))
        running.kubectl(
            "create", "role", "looks", "-n", SEEN, "--verb=get",
            f"--resource=imagestreams.image.{DOMAIN}",
        )  # fmt: skip
        running.kubectl(
            "create", "rolebinding", "looks", "-n", SEEN, "--role=looks", "--group=oidc:team-a"
        )
        yield running


@pytest.fixture(scope="module")
def proxy(
    cluster: Cluster, provider: IdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of oauth2-proxy before the page, with the flags of the how-to."""
    folder = tmp_path_factory.mktemp("proxied")
    with Replicas(cluster, folder, 1, "--page", "on") as replicas:
        address = f"127.0.0.1:{free_port()}"
        places = {
            ISSUER: provider.issuer,
            "https://registry.example.com": f"http://{address}",
            "https://registry-admission.registry-admission.svc": replicas.running[0].url,
            "/ca/ca.crt": str(folder / "tls" / "ca.crt"),
        }
        command = [
            str(build_tools() / "oauth2-proxy"),
            *flags_of(1, places),
            # Only here, the proxy has no certificate, and the provider runs on this machine.
            f"--provider-ca-file={provider.ca_file}",
            f"--http-address={address}",
            "--cookie-secure=false",
        ]
        secret = {
            "OAUTH2_PROXY_CLIENT_SECRET": provider.secret,
            "OAUTH2_PROXY_COOKIE_SECRET": secrets.token_hex(16),
        }
        with (folder / "oauth2-proxy.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | secret)
        try:
            _wait_until_ready(f"http://{address}", process, folder / "oauth2-proxy.log")
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/ping", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])


def browser(proxy: str, provider: IdentityProvider) -> httpx.Client:
    return httpx.Client(
        base_url=proxy,
        verify=str(provider.ca_file),
        follow_redirects=True,
        timeout=PATIENCE,
        trust_env=False,
    )


def test_user_signs_in_at_the_provider_and_sees_their_namespaces(
    proxy: str, provider: IdentityProvider
) -> None:
    with browser(proxy, provider) as client:
        page = client.get("/page?sort=name")
        assert page.status_code == 200, page.text
        assert page.url == httpx.URL(f"{proxy}/page?sort=name")
        steps = [httpx.URL(answer.headers["location"]).path for answer in page.history]
        assert steps == ["/authorize", "/oauth2/callback", "/page"]

        assert "<bdi>ada@example.com</bdi>" in page.text
        assert f">{SEEN}<" in page.text
        assert f">{OTHER}<" not in page.text
        assert client.get(f"/page/namespaces/{OTHER}").status_code == 404
        assert client.get("/page/style.css").headers["content-type"].startswith("text/css")


def test_nothing_but_the_page_is_behind_the_proxy(proxy: str, provider: IdentityProvider) -> None:
    with browser(proxy, provider) as client:
        client.get("/page")
        assert client.get("/metrics").status_code == 404
        assert client.post("/validate", json={}).status_code == 404


def test_forged_token_is_not_let_in(proxy: str, provider: IdentityProvider) -> None:
    header, claims, _ = provider.token().split(".")
    forged = {"Authorization": f"Bearer {header}.{claims}.c2lnbmF0dXJl"}
    with httpx.Client(base_url=proxy, verify=str(provider.ca_file), trust_env=False) as client:
        answer = client.get("/page", headers=forged)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(f"{provider.issuer}/authorize")
