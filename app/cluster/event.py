"""The Kubernetes Events that this service writes."""

import time
from datetime import UTC, datetime

from app.cluster.api import Content


def new_event(
    involved: Content, *, namespace: str, warning: bool, reason: str, message: str, instance: str
) -> Content:
    """A new Event on an object. `instance` is the replica that writes it."""
    now = time.time()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{involved['name'][:200]}.{time.time_ns():x}",
            "namespace": namespace,
        },
        "involvedObject": involved,
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "message": message,
        "count": 1,
        "firstTimestamp": timestamp(now),
        "lastTimestamp": timestamp(now),
        "source": {"component": "registry-admission"},
        "reportingComponent": "registry-admission",
        "reportingInstance": instance,
    }


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
