"""Applies objects to a cluster with server-side apply, several at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from app.cluster.api import ApiError, Content, KubeApi

MANAGER = "registry-admission"
_AT_ONCE = 8


@dataclass(frozen=True)
class Applied:
    """The result for one object."""

    object: str
    ok: bool
    message: str
    """Why the object was not applied."""
    tried: bool = False
    """Whether it was a dry run."""


async def apply(
    api: KubeApi, objects: Iterable[Content], *, force: bool = False, dry_run: bool = False
) -> AsyncIterator[Applied]:
    """Apply all objects, also after a failure. Results come in the order of the objects.

    Without `force`, a field that another manager has set to another value is kept and reported.
    """
    running: deque[asyncio.Task[Applied]] = deque()
    try:
        for content in objects:
            running.append(asyncio.create_task(_apply(api, content, force, dry_run)))
            if len(running) == _AT_ONCE:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()


async def _apply(api: KubeApi, content: Content, force: bool, dry_run: bool) -> Applied:
    metadata = content["metadata"]
    title = f"{content['kind']} {metadata['namespace']}/{metadata['name']}"
    try:
        await api.apply(path_of(content), content, MANAGER, force=force, dry_run=dry_run)
    except ApiError as error:
        return Applied(title, False, str(error), dry_run)
    return Applied(title, True, "", dry_run)


def path_of(content: Content) -> str:
    """The path of an object. All kinds that are applied here have regular plurals."""
    version, metadata = content["apiVersion"], content["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    scope = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    singular = content["kind"].lower()
    plural = f"{singular[:-1]}ies" if singular.endswith("y") else f"{singular}s"
    return f"{root}{scope}/{plural}/{metadata['name']}"
