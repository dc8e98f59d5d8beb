"""Names from untrusted sources lead to no other path and no forged log record."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any, cast

import pytest
from kubernetes_asyncio.client import ApiClient
from pydantic import ValidationError

from app.admission.review import AdmissionRequest
from app.cluster.api import KubeApi, NotFoundError
from app.cluster.image_claims import ImageClaims
from app.config import logs
from app.config.setting_types import LogFormat
from app.model.limits import NamespaceLimits
from tests.unit.stores import DOMAIN, limit
from tests.unit.test_followed_tags import World

HOSTILE = (
    "../secrets/x", "..", "x/../../secrets", "x/y", "x?watch=true", "x#y", "x%2f..%2fy", "x\ny",
    "x y", "sha256:é", "/",
)  # fmt: skip


class Recorder:
    """Takes the place of an ApiClient and records the requests."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def call_api(self, path: str, *_: Any, **__: Any) -> None:
        self.asked.append(path)
        raise OSError("no API server here")


@pytest.mark.parametrize("digest", HOSTILE)
async def test_invalid_digest_is_not_looked_up(digest: str) -> None:
    recorder = Recorder()
    images = ImageClaims(KubeApi(cast("ApiClient", recorder)), DOMAIN)

    assert await images.of(digest) is None
    assert recorder.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/../secrets",
        "/api/v1/namespaces/./x",
        "/api/v1/namespaces/..",
        "/api/v1/namespaces/x?y=z",
        "/api/v1/namespaces/x#y",
        "/api/v1/namespaces/x%2e",
        "/api/v1//namespaces",
        "http://elsewhere/api",
        "/api/v1/namespaces/x\r\nHost: y",
    ],
)
async def test_path_with_dots_is_not_looked_up(path: str) -> None:
    recorder = Recorder()

    with pytest.raises(NotFoundError, match="no path of the API"):
        await KubeApi(cast("ApiClient", recorder)).get(path)
    assert recorder.asked == []


@pytest.mark.parametrize("field", ["name", "namespace"])
@pytest.mark.parametrize("text", ["..", ".", "x/y", "x%2fy"])
def test_review_with_an_invalid_name_is_refused(field: str, text: str) -> None:
    request = {"uid": "1", "kind": {}, "operation": "CREATE", field: text}

    with pytest.raises(ValidationError, match="no name of an object"):
        AdmissionRequest.model_validate(request)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "localhost:22", "[::1]:80", "kubernetes.default.svc", "10.0.0.1"]
)
async def test_host_named_by_a_tenant_is_never_contacted(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", asked)
    monkeypatch.setattr("socket.getaddrinfo", asked)
    source = {"kind": "DockerImage", "name": f"{host}/team-b/app:v1"}
    world = World(limits=NamespaceLimits(image_size=limit("1Ki")))

    outcome = await world.asked("ImageStreamTag", "app:v1", {"tag": {"from": source}})

    assert outcome.allowed
    assert "is unknown" in outcome.warnings[0]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The output of the root logger. Its previous handlers are restored."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_line_break_in_a_name_starts_no_log_record(log: io.StringIO, log_format: LogFormat) -> None:
    logs.configure("info", log_format)
    [handler] = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(log)

    forged = 'app\n{"level": "ERROR", "message": "forged"}\r\n2026-01-01 ERROR forged'
    logging.getLogger("registry_admission.review").info("denied %s", forged, extra={"uid": forged})

    [line] = log.getvalue().splitlines()
    if log_format == "json":
        assert json.loads(line)["uid"] == forged
