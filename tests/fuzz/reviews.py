"""Bodies of `POST /validate` and `/mutate`, through the whole application."""

import asyncio
import base64
import json
from typing import Any

import jsonpatch
from starlette.types import Message

from app.cluster.embedded import EmbeddedState
from app.config import examples
from app.config.settings import Settings
from app.wiring import service
from app.wiring.backends import embedded
from tests import payloads

from .target import Target, mutate_json

_SETTINGS = Settings.model_validate({})
_SERVICE = service.build(
    _SETTINGS, embedded(EmbeddedState(examples.state_folder(), _SETTINGS.domain), _SETTINGS)
)
_RUNNER = asyncio.Runner()
_GIB = 2**30


def check(body: bytes) -> None:
    for path in ("/validate", "/mutate"):
        status, content = _RUNNER.run(_post(path, body))
        if status == 200:
            _check_review(path, json.loads(body), json.loads(content))
        else:
            assert status == 400, (status, content)
            assert json.loads(content)["kind"] == "Status"


async def _post(path: str, body: bytes) -> tuple[int, bytes]:
    """What a server would make of the answer; an exception inside the application comes out."""
    answer: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        answer.append(message)

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"timeout=10s", "headers": [], "scheme": "https", "root_path": "",
    }  # fmt: skip
    await _SERVICE.app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in answer[1:])
    return answer[0]["status"], content


def _check_review(path: str, asked: dict[str, Any], answered: dict[str, Any]) -> None:
    response = answered["response"]
    assert answered["apiVersion"] == "admission.k8s.io/v1"
    assert response["uid"] == asked["request"]["uid"]
    if not response["allowed"]:
        assert path == "/validate" or asked["request"].get("object") is None
        assert response["status"]["code"] in (403, 422), response["status"]
        assert response["status"]["message"]
    assert all(len(warning) <= 256 for warning in response.get("warnings", []))
    assert len(response.get("warnings", [])) <= 12
    assert all(isinstance(text, str) for text in response["auditAnnotations"].values())
    if "patch" in response:
        patch = json.loads(base64.b64decode(response["patch"]))
        jsonpatch.apply_patch(asked["request"]["object"], patch)
    if response["allowed"] and path == "/validate":
        _check_size(asked["request"])


def _check_size(request: dict[str, Any]) -> None:
    """No push into `team-a` is larger than its gibibyte, by its own word or by its layers."""
    mapping = request.get("object") or {}
    pushes = request["kind"].get("kind") == "ImageStreamMapping"
    if not pushes or request["operation"] not in ("CREATE", "UPDATE") or request.get("subResource"):
        return
    if request.get("namespace") != "team-a" or request["kind"].get("group") != "image.alauda.io":
        return
    image = mapping["image"]
    layers = image.get("dockerImageLayers") or []
    assert ((image.get("dockerImageMetadata") or {}).get("Size") or 0) <= _GIB
    assert max((layer.get("size") or 0 for layer in layers), default=0) <= _GIB


TARGET = Target(
    "reviews",
    check,
    tuple(json.dumps(payloads.load(name)).encode() for name in payloads.names()),
    mutate_json,
)
