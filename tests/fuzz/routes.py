"""Requests to the gateway, compared with a registry that accepts every spelling.

An input is a line `METHOD path?query`. A request that is a write for the most lenient registry must
not be passed on unchecked.
"""

import posixpath
from urllib.parse import unquote

from app.admission.references import parse_pull_spec
from app.registry.errors import RegistryError
from app.registry.routes import (
    ContinueUpload,
    DeleteManifest,
    Pass,
    PutManifest,
    StartUpload,
    route,
    upload_of,
)

from .target import Target

_READS = ("GET", "HEAD", "OPTIONS")


def check(data: bytes) -> None:
    text = data.decode(errors="replace")
    _check_pull_spec(text)
    method, _, target = text.partition(" ")
    path, _, query = target.partition("?")
    upload = upload_of(path)
    try:
        wanted = route(method, path, query)
    except RegistryError as error:
        assert error.status in (400, 403, 404, 405), error.status
        return
    match wanted:
        case Pass():
            assert f"{_resolved(path)}/".startswith("/v2/"), path
            assert method in _READS or (method == "DELETE" and _seen_leniently(path) != "manifests")
        case PutManifest(repository, reference):
            assert (method, path) == ("PUT", f"/v2/{repository}/manifests/{reference}")
        case DeleteManifest(repository, reference):
            assert (method, path) == ("DELETE", f"/v2/{repository}/manifests/{reference}")
        case ContinueUpload(repository, name):
            assert method in ("PATCH", "PUT")
            assert path == f"/v2/{repository}/blobs/uploads/{name}"
            assert upload == wanted
        case StartUpload(repository):
            assert method == "POST"
            assert path.removesuffix("/") == f"/v2/{repository}/blobs/uploads"


def _resolved(path: str) -> str:
    """A path decoded twice, with dots and doubles resolved."""
    return posixpath.normpath(unquote(unquote(path)))


def _seen_leniently(path: str) -> str:
    """The last but one part of a path, as the most lenient registry reads it."""
    parts = _resolved(path).split("/")
    return parts[-2] if len(parts) > 1 else ""


def _check_pull_spec(name: str) -> None:
    """Every part occurs in the reference, and the host is its beginning."""
    spec = parse_pull_spec(name)
    assert not spec.host or name.startswith(f"{spec.host}/")
    assert all(part in name for part in (spec.host, spec.path, spec.tag, spec.digest))
    assert "@" not in spec.host + spec.path + spec.tag


_DIGEST = "sha256:" + "a" * 64

TARGET = Target(
    "routes",
    check,
    tuple(
        text.encode()
        for text in (
            "GET /v2/",
            "PUT /v2/team-a/app/manifests/v1",
            f"PUT /v2/team-a/app/manifests/{_DIGEST}?tag=a",
            f"DELETE /v2/team-a/app/manifests/{_DIGEST}",
            f"DELETE /v2/team-a/app/blobs/{_DIGEST}",
            f"POST /v2/team-a/app/blobs/uploads/?mount={_DIGEST}&from=team-b%2Fx",
            "PATCH /v2/team-a/app/blobs/uploads/abc-1_=~.x?_state=1",
            "GET /v2/team-a/%2e./..;/%252e%252e/admin",
            "PUT /v2/team-a/app%2f..//manifests/./v1",
            f"registry.example.com:5000/team-a/app:v1@{_DIGEST}",
            "localhost/app",
        )
    ),
)
