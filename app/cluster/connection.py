"""Finds the cluster that a command talks to, as kubectl does."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from yaml import MarkedYAMLError, YAMLError

from app.cluster.api import PATIENCE, KubeApi
from app.model.errors import NothingNamedError, UnusableError, file_problem

KUBE_CONFIG_DEFAULT_LOCATION = os.environ.get("KUBECONFIG", "~/.kube/config")
FOLDER = ", or a folder with --state"
FOLDER_OR_EXAMPLES = ", a folder with --state, or use --examples"

_PATIENCE_OF_COMMANDS = 60.0
"""Seconds. An API server may take so long for a request, and nobody's push waits for a command."""


class NoClusterError(UnusableError):
    """There is no usable cluster. The text says how to name one."""


def is_inside() -> bool:
    """Whether this process runs in a cluster."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def has_default(context: str | None = None) -> bool:
    """Whether kubectl would find a cluster without --kubeconfig. A context needs a kubeconfig."""
    return (is_inside() and context is None) or _any_exists(KUBE_CONFIG_DEFAULT_LOCATION)


def _any_exists(files: str) -> bool:
    return any(Path(file).expanduser().exists() for file in files.split(os.pathsep))


@asynccontextmanager
async def found(
    kubeconfig: Path | None, context: str | None, *, otherwise: str = ""
) -> AsyncIterator[KubeApi]:
    """Connect to the cluster that kubectl would use.

    `otherwise`: the flags that take the place of a cluster, for the error.

    Raises NothingNamedError if kubectl would find none, and NoClusterError.
    """
    if kubeconfig is None and not has_default(context):
        raise NothingNamedError(
            f"no cluster: there is no kubeconfig {KUBE_CONFIG_DEFAULT_LOCATION}; name one with "
            f"--kubeconfig{otherwise}"
        )
    async with connected(kubeconfig, context, _PATIENCE_OF_COMMANDS) as api:
        yield api


@asynccontextmanager
async def connected(
    kubeconfig: Path | None, context: str | None, patience: float = PATIENCE
) -> AsyncIterator[KubeApi]:
    """Connect to the cluster that is named, else the one that this process runs in, else kubectl's.

    `patience`: seconds that the API server may be silent in a response.

    Raises NoClusterError.
    """
    file = str(kubeconfig) if kubeconfig else None
    if file is not None and not _any_exists(file):
        raise NoClusterError(f"there is no kubeconfig {file}; name another with --kubeconfig")
    if file is None and (context is not None or not is_inside()):
        file = KUBE_CONFIG_DEFAULT_LOCATION
    try:
        api = await KubeApi.connect(file, context, patience)
    except _unusable() as error:
        raise NoClusterError(
            f"the kubeconfig {file or 'of this Pod'} cannot be used: {_reason(error, file)}; "
            "name another with --kubeconfig"
        ) from None
    try:
        yield api
    finally:
        await api.close()


def context_name(kubeconfig: Path | None, context: str | None) -> str:
    """The context that `connected` takes, or `this cluster` in a Pod.

    Call it while connected: the kubeconfig is readable then.
    """
    if context is not None:
        return f"context {context}"
    active = None
    if kubeconfig is not None or not is_inside():
        from kubernetes_asyncio.config import list_kube_config_contexts

        _, active = list_kube_config_contexts(str(kubeconfig) if kubeconfig else None)
    return f"context {active['name']}" if active else "this cluster"


def _unusable() -> tuple[type[Exception], ...]:
    """Exceptions of the library for a kubeconfig with wrong content."""
    from kubernetes_asyncio.config import ConfigException

    return (
        ConfigException, OSError, YAMLError, ValueError, KeyError, TypeError, AttributeError,
        RecursionError,
    )  # fmt: skip


def _reason(error: Exception, kubeconfig: str | None) -> str:
    """The error on one line, without the content of the file."""
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark
        return f"line {mark.line + 1 if mark else 1} is not YAML"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, KeyError | TypeError | AttributeError):
        return "it is not a kubeconfig"
    if isinstance(error, OSError) and error.filename not in (None, kubeconfig):
        return f"{error.filename}: {file_problem(error)}"  # the program that makes the token
    if isinstance(error, OSError | UnicodeDecodeError):
        return file_problem(error)
    return str(error).partition("\n")[0][:200] or type(error).__name__
