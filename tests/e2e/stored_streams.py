"""ImageStreams with images, stored by the API server without the Image API."""

import json
from collections.abc import Mapping, Sequence

from .cluster import Cluster
from .domain import DOMAIN
from .history import Json


def image_event(digest: str, created: str = "2026-01-01T00:00:00Z") -> Json:
    """An entry of a tag's history."""
    return {
        "image": digest,
        "created": created,
        "generation": 1,
        "dockerImageReference": f"registry/app@{digest}",
    }


def store_stream(
    cluster: Cluster, namespace: str, name: str, tags: Mapping[str, Sequence[Json]]
) -> None:
    """Create an ImageStream with the history of each tag, newest first."""
    kind = {"apiVersion": f"image.{DOMAIN}/v1", "kind": "ImageStream"}
    stream = {**kind, "metadata": {"name": name, "namespace": namespace}}
    cluster.kubectl("create", "--filename=-", input=json.dumps(stream))
    history = [{"tag": tag, "items": list(items)} for tag, items in tags.items()]
    cluster.kubectl(
        "patch", f"imagestreams.image.{DOMAIN}", name, f"--namespace={namespace}",
        "--subresource=status", "--type=merge",
        f"--patch={json.dumps({'status': {'tags': history}})}",
    )  # fmt: skip
