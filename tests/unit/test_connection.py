"""The cluster or folder that commands use."""

import asyncio
import socket
import ssl
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from app.certs import files
from app.cluster import connection
from app.cluster.api import ApiError, Content, KubeApi, NotFoundError, Query
from app.cluster.connection import NoClusterError, connected
from app.cluster.connection_errors import connection_problem
from app.config.settings import Settings
from app.model.errors import NothingNamedError
from app.reporting import inventories
from app.wiring.backends import require_namespace

DEFAULT = "/home/me/.kube/config"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str | None, str | None]]:
    """The kubeconfigs and contexts that were connected to."""
    found: list[tuple[str | None, str | None]] = []

    class Api:
        async def close(self) -> None: ...

    async def connect(kubeconfig: str | None, context: str | None, patience: float) -> Any:
        found.append((kubeconfig, context))
        return Api()

    (tmp_path / "here").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(KubeApi, "connect", connect)
    monkeypatch.setattr(connection, "KUBE_CONFIG_DEFAULT_LOCATION", DEFAULT)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return found


@pytest.mark.parametrize(
    ("kubeconfig", "context", "inside", "used"),
    [
        ("here", "a", True, ("here", "a")),
        ("here", None, True, ("here", None)),
        (None, "a", True, (DEFAULT, "a")),
        (None, None, True, (None, None)),
        (None, None, False, (DEFAULT, None)),
    ],
)
async def test_named_cluster_wins_over_the_surrounding_one(
    asked: list[tuple[str | None, str | None]],
    monkeypatch: pytest.MonkeyPatch,
    kubeconfig: str | None,
    context: str | None,
    inside: bool,
    used: tuple[str | None, str | None],
) -> None:
    if inside:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    async with connected(Path(kubeconfig) if kubeconfig else None, context):
        assert asked == [used]


@pytest.mark.parametrize("name", [pytest.param("none", id="absent"), pytest.param("", id="folder")])
async def test_missing_kubeconfig_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoClusterError, match="name another with --kubeconfig"):
        async with connected(tmp_path / name, None):
            pass


async def test_examples_are_shown_if_asked_for_and_called_so(
    asked: list[tuple[str | None, str | None]],
) -> None:
    async with inventories.opened(Settings(), None, (), on_examples=True) as inventory:
        assert inventory.namespaces() == ["team-a", "team-b", "team-full"]
        [note] = inventory.notes()
    assert note.startswith("these are the examples")
    assert asked == []


async def test_nothing_that_can_be_looked_at_is_not_the_examples(
    asked: list[tuple[str | None, str | None]],
) -> None:
    with pytest.raises(NothingNamedError, match="no cluster: there is no kubeconfig"):
        async with inventories.opened(Settings(), None, ()):
            pass
    assert asked == []


@pytest.mark.parametrize(
    "content", ["[", "a: b: c", "text", "- list", "kind: Config", "\0", "clusters: 7"]
)
async def test_a_kubeconfig_of_any_wrong_content_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "config").write_text(content)
    with pytest.raises(NoClusterError, match=r"cannot be used: .*; name another") as raised:
        async with connected(tmp_path / "config", None):
            pass
    assert "\n" not in str(raised.value)


async def test_a_folder_comes_before_a_cluster(
    asked: list[tuple[str | None, str | None]], tmp_path: Path
) -> None:
    (tmp_path / "state.yaml").write_text("{apiVersion: v1, kind: Namespace}")
    settings = Settings(state=tmp_path, kubeconfig=tmp_path / "kubeconfig")
    async with inventories.opened(settings, None, ()) as inventory:
        assert (inventory.namespaces(), inventory.notes()) == ([], [])
    assert asked == []


@pytest.mark.parametrize(
    ("status", "refused"), [(404, True), (403, False), (0, False), (200, False)]
)
async def test_service_without_a_namespace_ends_with_one_reason(status: int, refused: bool) -> None:
    class Api(KubeApi):
        def __init__(self) -> None: ...

        async def get(self, path: str, query: Query | None = None) -> Content:
            assert path == "/api/v1/namespaces/registry-admission"
            if status == 404:
                raise NotFoundError(status, "not found")
            if status != 200:
                raise ApiError(status, "no answer")
            return {}

    advice = "create it, or name another with --service-namespace"
    with pytest.raises(NoClusterError, match=advice) if refused else nullcontext():
        await require_namespace(Api(), "registry-admission")


async def test_kubeconfig_that_nests_too_deeply_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("[" * 10_000)

    with pytest.raises(NoClusterError, match="nested too deeply"):
        async with connection.connected(path, None):
            pass


def test_library_of_the_cluster_is_imported_to_connect_only() -> None:
    """The Kubernetes client takes 35 MB, and a gateway before a plain registry does not need it."""
    script = "import sys, app.wiring.gateway; print('kubernetes_asyncio' in sys.modules)"

    printed = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)

    assert printed.stdout == b"False\n"


KUBECONFIG = """
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: 'https://127.0.0.1:PORT'}}]
users: [{name: a, user: {token: any}}]
"""


@pytest.mark.parametrize(
    ("with_tls", "problem"),
    [
        (False, "TLS fails: wrong version number"),
        (True, "its certificate is not trusted: unable to get local issuer certificate"),
    ],
)
async def test_error_of_tls_is_named(tmp_path: Path, with_tls: bool, problem: str) -> None:
    context = None
    if with_tls:
        files.make(tmp_path, ["127.0.0.1"])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        config = tmp_path / "kubeconfig"
        config.write_text(KUBECONFIG.replace("https://127.0.0.1:PORT", url))
        async with connected(config, None) as api:
            with pytest.raises(ApiError) as failure:
                await api.get("/version")
    assert str(failure.value) == f"cannot reach the API server {url}: {problem}"


def test_host_that_does_not_exist_is_named_without_a_number() -> None:
    error = socket.gaierror(-2, "Name or service not known")
    assert connection_problem(error) == "Name or service not known"
