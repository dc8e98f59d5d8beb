"""Resolves the `from` of a tag or an import to a stored digest, if it is known."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from app.model.base import DIGEST_PATTERN
from app.model.stream import ObjectReference
from app.quota.state import ClusterState
from app.quota.usage import NamespaceUsage

_DIGEST = re.compile(DIGEST_PATTERN)
MAX_REFERENCES = 2000
"""The number of references that one request may have."""


class TooManyReferencesError(Exception):
    """The request has too many references."""

    next_step = "send them in several requests"


def require_few(count: int) -> None:
    """Raises TooManyReferencesError."""
    if count > MAX_REFERENCES:
        raise TooManyReferencesError(f"it brings more than {MAX_REFERENCES} images or references")


@dataclass(frozen=True)
class Target:
    """The target of a reference; `digest` is None if it is not known."""

    label: str
    digest: str | None
    external: bool
    repository: str = ""
    """The repository of the internal registry; empty for an image of another registry."""
    expected_in: str = ""
    """The ImageStream that the reference names, if it lacks the image."""
    hidden: bool = False
    """Whether the user may not see the namespace. Then the image is not looked up."""


@dataclass(frozen=True)
class _PullSpec:
    """`host/path[:tag][@digest]`; the host is empty if there is none."""

    host: str
    path: str
    tag: str
    digest: str


class References:
    """Resolves references against the stored ImageStreams. Reads only, and does not wait."""

    def __init__(
        self,
        state: ClusterState,
        registry_hosts: Collection[str],
        configured_hosts: Callable[[], Collection[str]] = tuple,
        visible: Collection[str] | None = None,
    ) -> None:
        """`registry_hosts` and `configured_hosts`: the host names of the internal registry, from
        the settings and from Config/cluster. `visible`: other namespaces look empty; None if all
        are visible.
        """
        self._state = state
        self._registry_hosts = frozenset(map(_address, registry_hosts))
        self._configured_hosts = configured_hosts
        self._visible = visible
        self.hidden: set[str] = set()
        """The namespaces of references that are not visible."""

    def limited_to(self, visible: Collection[str]) -> "References":
        """References for a user who sees only these namespaces."""
        return References(self._state, self._registry_hosts, self._configured_hosts, visible)

    def target(self, source: ObjectReference, namespace: str, stream: str) -> Target:
        """Follow a `from`; `namespace` and `stream` are those of its object.

        A name without a stream, `<tag>` or `<digest>`, means a stream of the same name.
        """
        home = source.namespace or namespace
        label = label_of(source, namespace, stream)
        if source.kind == "ImageStreamImage":
            origin, name = _parts(source.name, "@", stream)
            digest = self._image(home, origin, name)
            expected_in = "" if self.holds(home, origin, digest) else f"ImageStream {home}/{origin}"
            return Target(
                label,
                digest,
                external=False,
                repository=f"{home}/{origin}",
                expected_in=expected_in,
                hidden=self._hides(home),
            )
        if source.kind == "ImageStreamTag":
            origin, tag = _parts(source.name, ":", stream)
            latest = self._latest(home, origin, tag or "latest")
            return Target(label, latest, external=False, repository=f"{home}/{origin}")
        if source.kind == "DockerImage":
            return self._pull_spec_target(label, parse_pull_spec(source.name))
        return Target(label, None, external=True)

    def repository(self, source: ObjectReference) -> dict[str, Target]:
        """Every tag that the import of a whole repository is known to bring, by its name.

        Raises TooManyReferencesError.
        """
        spec = parse_pull_spec(source.name)
        namespace, _, stream = spec.path.partition("/")
        if not self._is_internal(spec):
            return {}
        stored = self._usage(namespace).streams.get(stream)
        require_few(stored.tag_count if stored else 0)
        tags = sorted(stored.tags) if stored else []
        label = f"{source.kind} {spec.host}/{spec.path}"
        return {
            tag: self._pull_spec_target(f"{label}:{tag}", replace(spec, tag=tag, digest=""))
            for tag in tags
        }

    def repository_of(self, pull_spec: str) -> str:
        """The repository of the internal registry; empty for a pull spec of another registry."""
        spec = parse_pull_spec(pull_spec)
        return spec.path if self._is_internal(spec) else ""

    def holds(self, namespace: str, stream: str, digest: str | None) -> bool:
        """Whether a stream has an image already."""
        return digest is not None and self._usage(namespace).has_image(stream, digest)

    def _usage(self, namespace: str) -> NamespaceUsage:
        return NamespaceUsage() if self._hides(namespace) else self._state.usage(namespace)

    def _hides(self, namespace: str) -> bool:
        if self._visible is None or namespace in self._visible:
            return False
        self.hidden.add(namespace)
        return True

    def _is_internal(self, spec: _PullSpec) -> bool:
        host = _address(spec.host)
        return host in self._registry_hosts or host in map(_address, self._configured_hosts())

    def _pull_spec_target(self, label: str, spec: _PullSpec) -> Target:
        internal = self._is_internal(spec)
        digest = spec.digest or None
        namespace, _, stream = spec.path.partition("/")
        if internal and digest is None:
            digest = self._latest(namespace, stream, spec.tag or "latest")
        return Target(
            label,
            digest,
            external=not internal,
            repository=spec.path if internal else "",
            hidden=internal and self._hides(namespace),
        )

    def _latest(self, namespace: str, stream: str, tag: str) -> str | None:
        stored = self._usage(namespace).streams.get(stream)
        return stored.latest(tag) if stored else None

    def _image(self, namespace: str, stream: str, name: str) -> str | None:
        """The digest that a name means: a whole one, or the beginning of one in the stream."""
        if not name or _DIGEST.fullmatch(name):
            return name or None
        stored = self._usage(namespace).streams.get(stream)
        return (stored.image_named(name) if stored else None) or name


def label_of(source: ObjectReference, namespace: str, stream: str) -> str:
    """The name of a reference's target in messages."""
    home = source.namespace or namespace
    if source.kind == "ImageStreamImage":
        origin, name = _parts(source.name, "@", stream)
        return f"{source.kind} {home}/{origin}@{name}"
    if source.kind == "ImageStreamTag":
        origin, tag = _parts(source.name, ":", stream)
        return f"{source.kind} {home}/{origin}:{tag or 'latest'}"
    return f"{source.kind} {source.name}"


def _parts(name: str, separator: str, stream: str) -> tuple[str, str]:
    """The stream at the start of a name, or `stream` if it has none, and the rest."""
    origin, found, rest = name.partition(separator)
    return (origin, rest) if found else (stream, origin)


def _address(host: str) -> str:
    """A host for comparison: lower case, without the default port."""
    return host.lower().removesuffix(":443").removesuffix(":80")


def parse_pull_spec(name: str) -> _PullSpec:
    """Split a pull spec as docker does: a first part with a dot, a colon or the name `localhost`
    is a host."""
    rest, _, digest = name.partition("@")
    head, slash, tail = rest.partition("/")
    has_host = bool(slash) and ("." in head or ":" in head or head == "localhost")
    host, path = (head, tail) if has_host else ("", rest)
    path, _, tag = path.partition(":")
    return _PullSpec(host, path, tag, digest)
