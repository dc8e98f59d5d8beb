"""Recognises requests to `/v2/`.

A write must have its exact spelling. The gateway and the registry may read a path differently if
parts of it are percent-encoded, empty or dots. Such a path could carry a push past the checks, and
no client sends one, so it is refused. A read may be spelled in more ways, but its path must stay
below `/v2/`.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from app.registry.errors import RegistryError
from app.registry.names import (
    Reference,
    Repository,
    is_digest,
    is_name,
    parse_reference,
    parse_repository,
)

_MAX_QUOTED = 300
_NAMES_IN_QUERY = frozenset({"tag", "digest"})
"""The query parameters that name a manifest in newer drafts of the spec."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_PLAIN = re.compile(r"[A-Za-z0-9/_.:=~+-]*", re.ASCII)
_STEPS = re.compile(r"//|\\|[\x00-\x20]|%(?:2f|5c|00|25)|/(?:\.|%2e){1,2}(?:[/;]|$)", re.IGNORECASE)
"""Spellings that a server may read as an empty part, another separator or a dot segment."""
_MANIFEST = re.compile(r"/v2/(.+)/manifests/([^/]+)")
_UPLOADS = re.compile(r"/v2/(.+)/blobs/uploads/?")
_UPLOAD = re.compile(r"/v2/(.+)/blobs/uploads/([A-Za-z0-9_=~-][A-Za-z0-9_.=~-]*)")
_BLOB = re.compile(r"/v2/(.+)/blobs/([^/:]+:[^/:]+)")


@dataclass(frozen=True)
class Pass:
    """A request without limits."""


@dataclass(frozen=True)
class StartUpload:
    repository: Repository
    mount: str = ""
    """The digest of a blob to mount, and its repository."""
    mount_from: str = ""


@dataclass(frozen=True)
class ContinueUpload:
    repository: Repository
    session: str


@dataclass(frozen=True)
class PutManifest:
    repository: Repository
    reference: Reference


@dataclass(frozen=True)
class DeleteManifest:
    repository: Repository
    reference: Reference


Route = Pass | StartUpload | ContinueUpload | PutManifest | DeleteManifest


def route(method: str, path: str, query: str) -> Route:
    """`path`: the path as sent.

    Raises RegistryError for a read outside `/v2/`, and for a write that is not in the distribution
    spec, or is spelled differently.
    """
    if method in _READS:
        if not f"{path}/".startswith("/v2/"):
            raise RegistryError("NAME_UNKNOWN", f"{path[:_MAX_QUOTED]} is not a path of a registry")
        if _STEPS.search(path):
            raise _unsupported(method, path)
        return Pass()
    if not _PLAIN.fullmatch(path):
        raise _unsupported(method, path)
    match method:
        case "POST" if found := _UPLOADS.fullmatch(path):
            return _start(parse_repository(found[1]), query)
        case "PATCH" | "PUT" if found := _UPLOAD.fullmatch(path):
            return ContinueUpload(parse_repository(found[1]), found[2])
        case "PUT" if found := _MANIFEST.fullmatch(path):
            if query and _NAMES_IN_QUERY & parse_qs(query, keep_blank_values=True).keys():
                message = "a push has one tag or one digest, in its path; push each tag by itself"
                raise RegistryError("UNSUPPORTED", message)
            return PutManifest(parse_repository(found[1]), parse_reference(found[2]))
        case "DELETE" if found := _MANIFEST.fullmatch(path):
            return DeleteManifest(parse_repository(found[1]), parse_reference(found[2]))
        case "DELETE" if _UPLOAD.fullmatch(path) or _BLOB.fullmatch(path):
            return Pass()
        case _:
            raise _unsupported(method, path)


def upload_of(path: str) -> ContinueUpload | None:
    """The upload session of a path; None for another path."""
    found = _UPLOAD.fullmatch(path)
    try:
        return ContinueUpload(parse_repository(found[1]), found[2]) if found else None
    except RegistryError:
        return None


def uploads_of(path: str) -> str:
    """The repository of an upload path; empty for another path."""
    found = _UPLOADS.fullmatch(path) or _UPLOAD.fullmatch(path)
    return found[1] if found else ""


def _start(repository: Repository, query: str) -> StartUpload:
    """A mount is passed on in any spelling. Only for a plain one, the blob is looked up first."""
    parameters = parse_qs(query, keep_blank_values=True) if query else {}
    mounts, sources = parameters.get("mount", []), parameters.get("from", [])
    if not any(mounts):
        return StartUpload(repository)
    if len(mounts) != 1 or len(sources) > 1:
        raise RegistryError("UNSUPPORTED", "a mount names one blob and one repository")
    source = sources[0] if sources and is_name(sources[0]) else ""
    return StartUpload(repository, mounts[0] if is_digest(mounts[0]) else "", source)


def _unsupported(method: str, path: str) -> RegistryError:
    return RegistryError("UNSUPPORTED", f"{method[:20]} {path[:300]} is not passed on")
