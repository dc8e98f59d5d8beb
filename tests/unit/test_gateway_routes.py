"""Requests to `/v2/` are recognised or refused."""

import time
from contextlib import suppress

import pytest

from app.registry.errors import RegistryError
from app.registry.names import Reference, Repository
from app.registry.routes import (
    ContinueUpload,
    DeleteManifest,
    Pass,
    PutManifest,
    Route,
    StartUpload,
    route,
    upload_of,
)

APP = Repository("team-a", "app")
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        pytest.param("GET", "/v2/", "", Pass(), id="version"),
        pytest.param("HEAD", "/v2/team-a/app/manifests/v1", "", Pass(), id="head"),
        pytest.param("GET", "/v2/team-a/a%40b/tags/list", "", Pass(), id="any other read"),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", f"mount={DIGEST}&from=pause",
            StartUpload(APP, DIGEST, "pause"), id="mount from a name without a namespace",
        ),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", f"mount={DIGEST}&from=",
            StartUpload(APP, DIGEST), id="mount from nowhere",
        ),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", f"mount={DIGEST}&from=Team/Base",
            StartUpload(APP, DIGEST), id="mount from a name in upper case",
        ),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", f"mount={DIGEST}&from=../x",
            StartUpload(APP, DIGEST), id="mount from no name",
        ),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", "mount=abc", StartUpload(APP), id="no digest"
        ),
        pytest.param("POST", "/v2/team-a/app/blobs/uploads/", "", StartUpload(APP), id="start"),
        pytest.param("POST", "/v2/team-a/app/blobs/uploads", "", StartUpload(APP), id="no slash"),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", f"digest={DIGEST}", StartUpload(APP),
            id="monolithic",
        ),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", f"mount={DIGEST}&from=team-b%2Fx",
            StartUpload(APP, DIGEST, "team-b/x"), id="mount",
        ),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", f"mount={DIGEST}",
            StartUpload(APP, DIGEST), id="mount from anywhere",
        ),
        pytest.param(
            "PATCH", "/v2/team-a/app/blobs/uploads/12-ab", "_state=x", ContinueUpload(APP, "12-ab"),
            id="patch",
        ),
        pytest.param(
            "PUT", "/v2/team-a/app/blobs/uploads/12-ab", "", ContinueUpload(APP, "12-ab"), id="put"
        ),
        pytest.param(
            "DELETE", "/v2/team-a/app/blobs/uploads/12-ab", "", Pass(), id="cancelled upload"
        ),
        pytest.param("DELETE", f"/v2/team-a/app/blobs/{DIGEST}", "", Pass(), id="deleted blob"),
        pytest.param(
            "PUT", "/v2/team-a/web/app/manifests/v1", "",
            PutManifest(Repository("team-a", "web/app"), Reference(tag="v1")), id="tag",
        ),
        pytest.param(
            "PUT", f"/v2/team-a/app/manifests/{DIGEST}", "",
            PutManifest(APP, Reference(digest=DIGEST)), id="digest",
        ),
        pytest.param(
            "DELETE", "/v2/team-a/app/manifests/v1", "",
            DeleteManifest(APP, Reference(tag="v1")), id="deleted tag",
        ),
        pytest.param(
            "PUT", "/v2/team-a/manifests/blobs/uploads/u1", "",
            ContinueUpload(Repository("team-a", "manifests"), "u1"), id="a stream named manifests",
        ),
    ],
)  # fmt: skip
def test_request_is_recognised(method: str, path: str, query: str, expected: Route) -> None:
    assert route(method, path, query) == expected


@pytest.mark.parametrize(
    ("method", "path", "query", "code"),
    [
        pytest.param("PUT", "/v2/team-a/app/%6danifests/v1", "", "UNSUPPORTED", id="encoded"),
        pytest.param("PUT", "/v2/team-a%2Fapp/manifests/v1", "", "UNSUPPORTED", id="slash"),
        pytest.param("PUT", "//v2/team-a/app/manifests/v1", "", "UNSUPPORTED", id="two slashes"),
        pytest.param("PUT", "/v2/team-a//app/manifests/v1", "", "NAME_INVALID", id="empty part"),
        pytest.param("PUT", "/v2/a/../team-a/app/manifests/v1", "", "NAME_INVALID", id="dots"),
        pytest.param("PUT", "/v2/app/manifests/v1", "", "NAME_INVALID", id="no namespace"),
        pytest.param("PUT", "/v2/team-a/app/manifests/", "", "UNSUPPORTED", id="no reference"),
        pytest.param("PUT", "/v2/team-a/app/manifests/-", "", "MANIFEST_INVALID", id="no tag"),
        pytest.param("PUT", "/v2/team-a/app/manifests/v1", "tag=v2", "UNSUPPORTED", id="two tags"),
        pytest.param(
            "PUT", "/v2/team-a/app/manifests/v1", "x&%64igest=a", "UNSUPPORTED", id="a digest"
        ),
        pytest.param("PUT", "/v2/team-a/app/manifests/v1", "%74ag=", "UNSUPPORTED", id="hidden"),
        pytest.param("PUT", "/v2/team-a/app/blobs/uploads/..", "", "UNSUPPORTED", id="dot session"),
        pytest.param("PUT", "/v2/team-a/app/blobs/uploads/", "", "UNSUPPORTED", id="no session"),
        pytest.param("PATCH", "/v2/team-a/app/manifests/v1", "", "UNSUPPORTED", id="method"),
        pytest.param("PROPFIND", "/v2/", "", "UNSUPPORTED", id="unknown method"),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", f"mount={DIGEST}&mount={DIGEST}",
            "UNSUPPORTED", id="two mounts",
        ),
    ],
)  # fmt: skip
def test_write_with_another_spelling_is_refused(
    method: str, path: str, query: str, code: str
) -> None:
    with pytest.raises(RegistryError) as refusal:
        route(method, path, query)

    assert refusal.value.code == code


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/v2/../admin/x", id="dots"),
        pytest.param("/v2/a/b/../../../admin", id="more dots"),
        pytest.param("/v2/./a/tags/list", id="a dot"),
        pytest.param("/v2/%2e%2e/admin", id="encoded dots"),
        pytest.param("/v2/.%2E/admin", id="half encoded dots"),
        pytest.param("/v2/..%2fadmin", id="an encoded slash"),
        pytest.param("/v2/..%5Cadmin", id="an encoded backslash"),
        pytest.param("/v2/..\\admin", id="a backslash"),
        pytest.param("/v2/..;/admin", id="a path parameter"),
        pytest.param("/v2//admin", id="an empty part"),
        pytest.param("/v2/a/..", id="dots at the end"),
        pytest.param("/v2/a%00b", id="a zero byte"),
        pytest.param("/admin", id="another path"),
        pytest.param("", id="no path"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_path_traversal_is_refused_for_every_method(method: str, path: str) -> None:
    with pytest.raises(RegistryError):
        route(method, path, "")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(("/v2/a/b/blobs/", ":", "/x"), id="colons"),
        pytest.param(("/v2/a", "/blobs/a:a", "/"), id="blobs"),
        pytest.param(("/v2/a", "/manifests/a", "/"), id="manifests"),
        pytest.param(("/v2/a", "/blobs/uploads", "//"), id="uploads"),
        pytest.param(("/v2/", "a-", "/blobs/uploads/"), id="hyphens"),
        pytest.param(("/v2/", "a__", "/a/manifests/v1"), id="underscores"),
        pytest.param(("/v2/", "a.", "a/a/manifests/v1"), id="dots"),
    ],
)
def test_time_to_route_a_path_grows_no_faster_than_the_path(path: tuple[str, str, str]) -> None:
    """Requests are routed before anybody has asked who sends them."""

    def seconds(repetitions: int) -> float:
        first, part, last = path
        started = time.process_time()
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT"):
            with suppress(RegistryError):
                route(method, first + part * repetitions + last, "")
        return time.process_time() - started

    assert seconds(32_000) < 32 * max(seconds(4_000), 0.01)


@pytest.mark.parametrize(
    ("path", "session"),
    [
        ("/v2/team-a/app/blobs/uploads/12-ab", ContinueUpload(APP, "12-ab")),
        ("/v2/team-a/app/blobs/uploads/", None),
        ("/v2/app/blobs/uploads/12-ab", None),
        (f"/v2/team-a/app/blobs/{DIGEST}", None),
    ],
)
def test_upload_session_is_recognised_by_its_path(
    path: str, session: ContinueUpload | None
) -> None:
    assert upload_of(path) == session
