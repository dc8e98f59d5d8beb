"""Which cluster a command talks to, as kubectl would choose it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kubernetes_asyncio.config import ConfigException
from kubernetes_asyncio.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION

from app.cluster.api import KubeApi


class NoClusterError(Exception):
    """There is no cluster to talk to; says how to name one."""


def is_inside() -> bool:
    """Whether this process runs in a cluster."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def has_default() -> bool:
    """Whether kubectl would find a cluster without being told of one."""
    files = KUBE_CONFIG_DEFAULT_LOCATION.split(os.pathsep)
    return is_inside() or any(Path(file).expanduser().is_file() for file in files)


@asynccontextmanager
async def connected(kubeconfig: Path | None, context: str | None) -> AsyncIterator[KubeApi]:
    """The cluster that is named; else the one around this process; else kubectl's.

    Raises NoClusterError.
    """
    file = str(kubeconfig) if kubeconfig else None
    if file is None and (context is not None or not is_inside()):
        file = KUBE_CONFIG_DEFAULT_LOCATION
    try:
        api = await KubeApi.connect(file, context)
    except (ConfigException, OSError) as error:
        raise NoClusterError(
            f"no cluster to talk to: {error}; name one with --kubeconfig"
        ) from None
    try:
        yield api
    finally:
        await api.close()
