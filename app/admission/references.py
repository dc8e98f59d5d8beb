"""What the `from` of a tag or an import points at: a stored digest, or something not known yet."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from app.cluster.state import ClusterState
from app.model.stream import ObjectReference


@dataclass(frozen=True)
class Target:
    """Where a reference leads; `digest` is None while it leads nowhere."""

    label: str
    digest: str | None
    external: bool
    repository: str = ""
    """Where the internal registry keeps the image; empty for an image from elsewhere."""


@dataclass(frozen=True)
class _PullSpec:
    """`host/path[:tag][@digest]`; the host is empty if there is none."""

    host: str
    path: str
    tag: str
    digest: str


class References:
    """Resolves references against the stored ImageStreams; reads only, never waits."""

    def __init__(
        self,
        state: ClusterState,
        registry_hosts: Collection[str],
        configured_hosts: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """Names of the internal registry: those that never change, and those of its Config."""
        self._state = state
        self._registry_hosts = frozenset(registry_hosts)
        self._configured_hosts = configured_hosts

    def target(self, source: ObjectReference, namespace: str) -> Target:
        """Follow a `from`; `namespace` is that of the object it stands in."""
        home = source.namespace or namespace
        label = f"{source.kind} {source.name}"
        if source.kind == "ImageStreamImage":
            stream, _, digest = source.name.partition("@")
            label = f"{source.kind} {home}/{source.name}"
            return Target(label, digest or None, external=False, repository=f"{home}/{stream}")
        if source.kind == "ImageStreamTag":
            stream, _, tag = source.name.partition(":")
            label = f"{source.kind} {home}/{source.name}"
            latest = self._latest(home, stream, tag or "latest")
            return Target(label, latest, external=False, repository=f"{home}/{stream}")
        if source.kind == "DockerImage":
            return self._pull_spec_target(label, parse_pull_spec(source.name))
        return Target(label, None, external=True)

    def _pull_spec_target(self, label: str, spec: _PullSpec) -> Target:
        internal = spec.host in self._registry_hosts or spec.host in self._configured_hosts()
        digest = spec.digest or None
        if internal and digest is None:
            namespace, _, stream = spec.path.partition("/")
            digest = self._latest(namespace, stream, spec.tag or "latest")
        repository = spec.path if internal else ""
        return Target(label, digest, external=not internal, repository=repository)

    def _latest(self, namespace: str, stream: str, tag: str) -> str | None:
        stored = self._state.usage(namespace).streams.get(stream)
        return stored.latest(tag) if stored else None


def parse_pull_spec(name: str) -> _PullSpec:
    """Take a pull spec apart, as docker does: a first part with a dot, a colon or the name
    `localhost` is a host."""
    rest, _, digest = name.partition("@")
    head, slash, tail = rest.partition("/")
    has_host = bool(slash) and ("." in head or ":" in head or head == "localhost")
    host, path = (head, tail) if has_host else ("", rest)
    path, _, tag = path.partition(":")
    return _PullSpec(host, path, tag, digest)
