"""Objects of the image group in requests."""

from typing import Any

FROM_BIG = {"kind": "ImageStreamTag", "namespace": "team-b", "name": "origin:big"}


FROM_LATEST = {"kind": "ImageStreamTag", "namespace": "team-b", "name": "origin:latest"}


def stream(*tags: dict[str, Any], status: dict[str, list[str]] | None = None) -> dict[str, Any]:
    history = [
        {"tag": tag, "items": [{"image": digest} for digest in digests]}
        for tag, digests in (status or {}).items()
    ]
    return {
        "metadata": {"name": "app"},
        "spec": {"tags": list(tags)},
        "status": {"tags": history},
    }


def named(name: str, **tag: Any) -> dict[str, Any]:
    return {"name": name, **tag}


def imported(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "app"}, "spec": {"import": True, **spec}}


ELSEWHERE = "registry.example.com/library/app"


def imports(*names: str, to: str = "", mode: str = "") -> dict[str, Any]:
    """One item of an import for each pull spec."""
    item = {"to": {"name": to}} if to else {}
    policy = {"importPolicy": {"importMode": mode}} if mode else {}
    sources = [{"kind": "DockerImage", "name": name} for name in names]
    return imported(images=[{"from": source, **item, **policy} for source in sources])
