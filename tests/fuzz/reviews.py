"""Bodies of `POST /validate` and `/mutate`, through the whole application."""

import asyncio
import base64
import json
from random import Random
from typing import Any

import jsonpatch
from starlette.types import Message

from app.cluster.embedded import EmbeddedState
from app.config import examples
from app.config.settings import Settings
from app.wiring import service
from app.wiring.backends import embedded
from tests import payloads
from tests.unit.pushes import blob, digest_of

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
    """The answer of the application. An exception in the application is raised."""
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
        assert 0 < len(response["status"]["message"]) <= 16 * 1024
    assert all(len(warning) <= 256 for warning in response.get("warnings", []))
    assert len(response.get("warnings", [])) <= 12
    assert all(isinstance(text, str) for text in response["auditAnnotations"].values())
    assert all(len(text) <= 4 * 1024 for text in response["auditAnnotations"].values())
    if "patch" in response:
        patch = json.loads(base64.b64decode(response["patch"]))
        jsonpatch.apply_patch(asked["request"]["object"], patch)
    if response["allowed"] and path == "/validate":
        _check_size(asked["request"])


def _check_size(request: dict[str, Any]) -> None:
    """No allowed push into `team-a` exceeds 1Gi by its declared size or by its layers."""
    mapping = request.get("object") or {}
    pushes = request["kind"].get("kind") == "ImageStreamMapping"
    if not pushes or request["operation"] not in ("CREATE", "UPDATE") or request.get("subResource"):
        return
    if request.get("namespace") != "team-a" or request["kind"].get("group") != "image.alauda.io":
        return
    image = mapping["image"]
    assert _size_in_go(image) <= _GIB
    layers = image.get("dockerImageLayers") or []
    assert ((image.get("dockerImageMetadata") or {}).get("Size") or 0) <= _GIB
    assert max((layer.get("size") or 0 for layer in layers), default=0) <= _GIB


def _size_in_go(image: dict[str, Any]) -> int:
    """Bytes that a registry finds in the manifest with the image's digest. 0 for another text, and
    for schema 1, which has no sizes."""
    text = image.get("dockerImageManifest") or ""
    named = (image.get("metadata") or {}).get("name")
    if not isinstance(text, str) or digest_of(text.encode(errors="replace")) != named:
        return 0
    try:
        document = json.loads(text, object_pairs_hook=_folded)
        if not isinstance(document, dict) or document.get("schemaversion") == 1:
            return 0
        listed = [*(document.get("layers") or ()), *(document.get("manifests") or ())]
        return sum({layer["digest"]: layer["size"] for layer in listed}.values())
    except (ValueError, TypeError, LookupError, AttributeError):
        return 0


def _folded(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name.casefold(): value for name, value in pairs}


def _push(manifest: dict[str, Any]) -> bytes:
    """A mapping with a manifest and a small declared size."""
    review: dict[str, Any] = payloads.load("push-allowed")
    text = json.dumps(manifest)
    review["request"]["object"]["image"] = {
        "metadata": {"name": digest_of(text.encode())},
        "dockerImageMetadata": {"Size": 1},
        "dockerImageManifest": text,
    }
    return json.dumps(review).encode()


def _config(**spec: Any) -> bytes:
    review: dict[str, Any] = payloads.load("config-create")
    review["request"]["object"]["spec"] |= spec
    return json.dumps(review).encode()


def _mutate(data: bytes, random: Random) -> bytes:
    """Change a review, or the manifest in it. The image then has the digest of the new manifest."""
    try:
        review = json.loads(data)
        image = review["request"]["object"]["image"]
        text = image["dockerImageManifest"].encode()
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return mutate_json(data, random)
    if random.random() < 0.3:
        return mutate_json(data, random)
    changed = mutate_json(text, random).decode(errors="replace")
    image["dockerImageManifest"] = changed
    image["metadata"] = {"name": digest_of(changed.encode(errors="replace"))}
    return json.dumps(review).encode()


_CONFIG, _LARGE = blob("config", 1), blob("large", 10**12)
TARGET = Target(
    "reviews",
    check,
    (
        *(json.dumps(payloads.load(name)).encode() for name in payloads.names()),
        _push({"schemaVersion": 2, "config": _CONFIG, "layers": [], "Layers": [_LARGE]}),
        _push({"schemaVersion": 2, "config": _CONFIG, "layers": [_LARGE]}),
        _push({"schemaVersion": 2, "manifests": [_LARGE]}),
        _push({"schemaVersion": 2, "config": _CONFIG, "layers": [blob("small", 5)]}),
        _config(
            routes=[{"name": "a", "hostname": "a.example.com", "secretName": "b"}],
            nodeSelector={"a.example/b": "c"},
            tolerations=[{"key": "a", "operator": "Equal", "value": "b", "tolerationSeconds": 1}],
            requests={"read": {"maxRunning": 1, "maxInQueue": 1, "maxWaitInQueue": "1s"}},
            proxy={"http": "http://u:p@a:1", "https": "https://b", "noProxy": ".svc,10.0.0.0/8"},
            resources={
                "requests": {"a.b/c": "1"},
                "limits": {"a.b/c": "1", "hugepages-2Mi": "4Mi"},
            },
        ),
        _config(
            storage={
                "s3": {
                    "bucket": "images",
                    "regionEndpoint": "http://minio.storage.svc",
                    "chunkSizeMiB": 5,
                    "keyID": "a",
                    "cloudFront": {
                        "baseURL": "https://a.example.com",
                        "keypairID": "a",
                        "privateKey": {"name": "a", "key": "b"},
                        "duration": "1m",
                    },
                }
            },
        ),
    ),
    _mutate,
)
