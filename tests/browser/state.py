"""State folders of any size, with varied namespaces, and the same in each run."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_FILE = 250
"""Namespaces in one file."""
_LARGE = 300
"""The number of namespaces with several streams and known sizes; the others are small."""
_TEAMS = ("billing", "checkout", "data-lake", "fraud", "identity", "ledger", "maps", "notify",
          "orders", "payments", "platform", "reports", "search", "shipping", "web")  # fmt: skip
_STAGES = ("dev", "test", "staging", "prod")
_STREAMS = ("api", "worker", "frontend", "migrations", "nightly", "exporter")
_SIZES = (41, 96, 180, 260, 410, 730, 990)
"""MiB."""
_BASE = 40 * 2**20
"""Bytes of the layer that images share."""

HOSTILE_STREAM = "<script>alert(1)<!--"
HOSTILE_TAG = '"><img src=x onerror=alert(1)>'


def write(folder: Path, count: int) -> Path:
    """`count` namespaces: most with room, some nearly full, a few over, a few without limits."""
    folder.mkdir()
    for start in range(0, count, _FILE):
        numbers = range(start, min(start + _FILE, count))
        items = [item for number in numbers for item in _namespace(number)]
        content = {"apiVersion": "v1", "kind": "List", "items": items}
        text = yaml.dump(content, Dumper=yaml.CSafeDumper, default_flow_style=True, width=10**6)
        (folder / f"namespaces-{start}.yaml").write_text(text)
    (folder / "others.yaml").write_text(yaml.safe_dump_all([*_hostile(), *_crowded()]))
    return folder


def name_of(number: int) -> str:
    team, stage = _TEAMS[number % len(_TEAMS)], _STAGES[number // len(_TEAMS) % len(_STAGES)]
    series = number // (len(_TEAMS) * len(_STAGES))
    return f"{team}-{stage}" + (f"-{series}" if series else "")


def _namespace(number: int) -> Iterator[dict[str, Any]]:
    rng = random.Random(number)
    name = name_of(number)
    large = number < _LARGE
    picked = rng.sample(_STREAMS, rng.randint(1, 3) if large else 1)
    streams = {stream: rng.randint(2, 14 if large else 6) for stream in picked}
    total = sum(streams.values())
    # How full the namespace is: over its limit, nearly full, or anywhere below.
    share = (1.2, 0.93, 1.0)[number % 40] if number % 40 < 3 else rng.uniform(0.04, 0.78)
    if number % 13 != 12:
        yield _quota(name, len(streams) + 3, max(total * 2, 20), max(1, round(total / share)))
        yield _limit_range(name, max(16, round(max(streams.values()) / min(share, 1.0))))
    for stream, tags in streams.items():
        yield _stream(name, stream, [f"v1.{tag}" for tag in range(tags)])
    for stream in picked if large else ():
        yield from (_image(_digest(name, stream, f"v1.{tag}"), rng) for tag in range(2))


def _quota(namespace: str, streams: int, images: int, tags: int) -> dict[str, Any]:
    hard = {
        "alauda.io/imagestreams": str(streams),
        "alauda.io/images": str(images),
        "alauda.io/image-tags": str(tags),
    }
    return _object("v1", "ResourceQuota", "image-registry-quota", namespace, hard=hard)


def _limit_range(namespace: str, tags: int) -> dict[str, Any]:
    limits = [
        {"type": "alauda.io/Image", "max": {"storage": "1Gi"}},
        {"type": "alauda.io/ImageStream", "max": {"alauda.io/image-tags": str(tags)}},
    ]
    return _object("v1", "LimitRange", "image-registry-limits", namespace, limits=limits)


def _stream(namespace: str, name: str, tags: list[str]) -> dict[str, Any]:
    status = [{"tag": tag, "items": [{"image": _digest(namespace, name, tag)}]} for tag in tags]
    made = _object("image.alauda.io/v1", "ImageStream", name, namespace)
    return {**made, "status": {"tags": status}}


def _image(digest: str, rng: random.Random) -> dict[str, Any]:
    """One layer of its own, on one that many images share."""
    made = _object("image.alauda.io/v1", "Image", digest)
    layers = [
        {"name": _digest("base", str(rng.randrange(5))), "size": _BASE},
        {"name": _digest("layer", digest), "size": rng.choice(_SIZES) * 2**20 - _BASE},
    ]
    return {**made, "dockerImageLayers": layers}


def _hostile() -> list[dict[str, Any]]:
    """Names and texts with which a tenant could try to change the page."""
    return [
        _quota("hostile", 4, 20, 20),
        _stream("hostile", HOSTILE_STREAM, [HOSTILE_TAG, "v1"]),
        _stream("hostile", "long-" + "name-" * 40, ["v" * 128]),
    ]


def _crowded() -> Iterator[dict[str, Any]]:
    """More streams than a page has room for."""
    yield _quota("crowded", 200, 500, 500)
    for number in range(120):
        yield _stream("crowded", f"stream-{number}", ["latest"])


def _digest(*parts: str) -> str:
    return "sha256:" + hashlib.sha256("/".join(parts).encode()).hexdigest()


def _object(version: str, kind: str, name: str, namespace: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    made: dict[str, Any] = {"apiVersion": version, "kind": kind, "metadata": metadata}
    return {**made, "spec": spec} if spec else made
