"""What a request to `/v2/` wants, and which ones are not passed on."""

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
    session_of,
)

APP = Repository("team-a", "app")
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        pytest.param("GET", "/v2/", "", Pass(), id="version"),
        pytest.param("HEAD", "/v2/team-a/app/manifests/v1", "", Pass(), id="head"),
        pytest.param("GET", "/v2/any%2Fthing//at/../all", "", Pass(), id="any read"),
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
def test_a_request_wants_one_thing(method: str, path: str, query: str, expected: Route) -> None:
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
        pytest.param("PUT", "/v2/team-a/app/manifests/v1", "%74ag=", "UNSUPPORTED", id="hidden"),
        pytest.param("PUT", "/v2/team-a/app/blobs/uploads/..", "", "UNSUPPORTED", id="dot session"),
        pytest.param("PUT", "/v2/team-a/app/blobs/uploads/", "", "UNSUPPORTED", id="no session"),
        pytest.param("PATCH", "/v2/team-a/app/manifests/v1", "", "UNSUPPORTED", id="method"),
        pytest.param("PROPFIND", "/v2/", "", "UNSUPPORTED", id="unknown method"),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", f"mount={DIGEST}&mount={DIGEST}",
            "UNSUPPORTED", id="two mounts",
        ),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", "mount=abc", "DIGEST_INVALID", id="mount"
        ),
        pytest.param(
            "POST", "/v2/team-a/app/blobs/uploads/", f"mount={DIGEST}&from=../x",
            "NAME_INVALID", id="from",
        ),
    ],
)  # fmt: skip
def test_a_write_in_any_other_spelling_is_refused(
    method: str, path: str, query: str, code: str
) -> None:
    with pytest.raises(RegistryError) as refusal:
        route(method, path, query)

    assert refusal.value.code == code


def test_a_location_leads_to_a_session() -> None:
    assert session_of("/v2/team-a/app/blobs/uploads/12-ab") == "12-ab"
    assert session_of("/v2/team-a/app/blobs/" + DIGEST) == ""
