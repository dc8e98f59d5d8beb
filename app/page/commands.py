"""Commands to copy, which set the limit that would have allowed a push."""

import json
import shlex
from typing import Any

from app.policy.new_limit import NewLimit


def command(limit: NewLimit) -> str:
    """A line for a shell. Its arguments are quoted, so that no name can run another command."""
    if limit.kind == "ResourceQuota":
        return _patch(limit, "merge", {"spec": {"hard": dict(limit.numbers)}})
    item = f"/spec/limits/{limit.position}"
    # If the list has changed since, the patch fails and changes no other item.
    operations = [{"op": "test", "path": f"{item}/type", "value": limit.item_type}]
    for resource, number in limit.numbers:
        path = f"{item}/max/{resource.replace('~', '~0').replace('/', '~1')}"
        operations.append({"op": "replace", "path": path, "value": number})
    return _patch(limit, "json", operations)


def _patch(limit: NewLimit, kind: str, patch: Any) -> str:
    text = json.dumps(patch, separators=(",", ":"))
    target = ["patch", limit.kind.lower(), limit.name, "--type", kind, "-p", text]
    return shlex.join(["kubectl", "-n", limit.namespace, *target])
