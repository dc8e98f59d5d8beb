"""Addresses are translated for clients and back, for registries that spell them differently."""

import pytest

from app.gateway.addresses import Addresses, Origin
from app.registry.errors import RegistryError
from app.registry.routes import upload_of

APP = "team-a/app"
UPLOADS = f"/v2/{APP}/blobs/uploads/"
GATE = "https://gate.example.com"
REGISTRY = "http://registry.svc:5000"


def addresses(prefix: str = "") -> Addresses:
    return Addresses(Origin.parse(REGISTRY + prefix), key=b"k" * 32)


@pytest.mark.parametrize("prefix", ["", "/artifactory/api/docker"])
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        pytest.param(f"{UPLOADS}12-ab?_state=a%3D", f"{UPLOADS}12-ab?_state=a%3D", id="plain"),
        pytest.param(f"/v2/{APP}/blobs/upload/12", "", id="another path"),
        pytest.param(f"{UPLOADS}a%2Cb,c", "", id="an odd id"),
        pytest.param(f"{UPLOADS}a/b/c", "", id="an id with slashes"),
        pytest.param(f"{UPLOADS}gw~x.y", "", id="an id like a sealed one"),
        pytest.param(f"/v2/elsewhere/x{UPLOADS[3:]}1", "", id="another repository"),
        pytest.param("/uploads/12?x=1&y=2", "", id="outside /v2/"),
    ],
)
def test_upload_session_is_translated_back_unchanged(
    prefix: str, location: str, shown: str
) -> None:
    subject = addresses(prefix)
    asked = f"{REGISTRY}{prefix}{UPLOADS}"

    known = subject.session(prefix + location, asked, APP, GATE)
    path, _, query = known.partition("?")
    finished = subject.inside(path, "&".join(filter(None, (query, "digest=sha256:ab"))))

    assert not shown or known == shown
    upload = upload_of(path)
    assert upload is not None
    assert str(upload.repository) == APP
    joint = "&" if "?" in location else "?"
    assert finished == f"{REGISTRY}{prefix}{location}{joint}digest=sha256:ab"


@pytest.mark.parametrize(
    ("location", "known"),
    [
        (f"{REGISTRY}{UPLOADS}1", f"{GATE}{UPLOADS}1"),
        (f"{GATE}{UPLOADS}1", f"{GATE}{UPLOADS}1"),
        (f"http://by.another.name{UPLOADS}1", f"{GATE}{UPLOADS}1"),
        (f"{UPLOADS}1", f"{UPLOADS}1"),
    ],
)
def test_plain_upload_session_of_any_host_name_is_at_the_gateway(location: str, known: str) -> None:
    assert addresses().session(location, REGISTRY + UPLOADS, APP, GATE) == known


def test_relative_upload_session_becomes_a_complete_address() -> None:
    assert addresses().session("12", REGISTRY + UPLOADS, APP, GATE) == f"{GATE}{UPLOADS}12"


def test_upload_session_on_another_host_is_refused() -> None:
    with pytest.raises(RegistryError, match=r"sends uploads to s3\.example\.com, past this"):
        addresses().session("https://s3.example.com/put?x", REGISTRY + UPLOADS, APP, GATE)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.replace("team-a", "team-b"), id="another repository"),
        pytest.param(lambda path: path[:-4] + "AAAA", id="another address"),
        pytest.param(lambda path: path.replace("gw~", "gw~A"), id="another seal"),
        pytest.param(lambda path: path.partition(".")[0], id="no address"),
        pytest.param(lambda path: path.partition("gw~")[0] + "gw~.", id="nothing"),
    ],
)
def test_forged_upload_session_is_refused(change: object) -> None:
    subject = addresses()
    path = subject.session("/other/1", REGISTRY + UPLOADS, APP, GATE)

    with pytest.raises(RegistryError) as refusal:
        subject.inside(change(path))  # type: ignore[operator]

    assert refusal.value.code == "BLOB_UPLOAD_UNKNOWN"


def test_path_prefix_of_the_registry_is_hidden_from_clients() -> None:
    subject = addresses("/reg")
    asked = f"{REGISTRY}/reg/v2/_catalog"

    assert subject.inside("/v2/_catalog", "n=1") == f"{asked}?n=1"
    assert subject.link('</reg/v2/_catalog?n=1>; rel="next"', asked, GATE) == (
        '</v2/_catalog?n=1>; rel="next"'
    )
    blob = f"{REGISTRY}/reg/v2/{APP}/blobs/sha256:ab"
    assert subject.outside(blob, asked, GATE) == f"{GATE}/v2/{APP}/blobs/sha256:ab"


@pytest.mark.parametrize(
    ("realm", "shown", "asked_at"),
    [
        pytest.param(f"{REGISTRY}/token", f"{GATE}/token", f"{REGISTRY}/token", id="its own"),
        pytest.param(f"{REGISTRY}/reg/t", f"{GATE}/t", f"{REGISTRY}/reg/t", id="below the prefix"),
        pytest.param("https://auth.example.com/token", "", "", id="another host"),
    ],
)
def test_token_service_on_the_registrys_host_is_reached_through_the_gateway(
    realm: str, shown: str, asked_at: str
) -> None:
    subject = addresses("/reg")

    header = subject.challenge(f'Bearer realm="{realm}",service="r",scope="s"', GATE)

    assert header == f'Bearer realm="{shown or realm}",service="r",scope="s"'
    if shown:
        path = shown.removeprefix(GATE)
        assert subject.inside(path, "service=r") == f"{asked_at}?service=r"


def test_only_the_first_sixteen_token_services_are_reached_through_the_gateway() -> None:
    subject = addresses()
    for number in range(20):
        subject.challenge(f'Bearer realm="{REGISTRY}/token-{number}"', GATE)

    assert list(subject.realms) == [f"/token-{number}" for number in range(16)]


def test_basic_challenge_is_unchanged() -> None:
    assert addresses().challenge('Basic realm="registry"', GATE) == 'Basic realm="registry"'
