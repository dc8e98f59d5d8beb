"""Names of repositories, tags and digests in requests to a registry."""

import pytest

from app.registry.errors import RegistryError
from app.registry.names import Reference, parse_reference, parse_repository
from tests.unit.test_manifest import digest_of


@pytest.mark.parametrize(
    ("name", "namespace", "stream"),
    [
        pytest.param("team-a/app", "team-a", "app", id="two parts"),
        pytest.param("team-a/web/app.v2", "team-a", "web/app.v2", id="the rest is the stream"),
        pytest.param("a__b/c---d", "a__b", "c---d", id="separators"),
    ],
)
def test_a_repository_is_a_namespace_and_a_stream(name: str, namespace: str, stream: str) -> None:
    repository = parse_repository(name)

    assert (repository.namespace, repository.stream) == (namespace, stream)
    assert str(repository) == name


@pytest.mark.parametrize(
    "name",
    ["app", "", "Team/app", "team//app", "team/app/", "/app", "../app", "a/b:c", "a/" + "b" * 254],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(RegistryError) as refusal:
        parse_repository(name)

    assert (refusal.value.code, refusal.value.status) == ("NAME_INVALID", 400)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        pytest.param("v1.0-rc_1", Reference(tag="v1.0-rc_1"), id="tag"),
        pytest.param(digest_of(b""), Reference(digest=digest_of(b"")), id="digest"),
    ],
)
def test_a_reference_is_a_tag_or_a_digest(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("-v1", "MANIFEST_INVALID", id="a tag that starts with a dash"),
        pytest.param("a" * 129, "MANIFEST_INVALID", id="a tag that is too long"),
        pytest.param("sha256:abc", "DIGEST_INVALID", id="a short digest"),
        pytest.param("sha512:" + "a" * 64, "DIGEST_INVALID", id="a digest of another length"),
        pytest.param("md5:" + "a" * 32, "DIGEST_INVALID", id="another algorithm"),
    ],
)
def test_other_references_are_refused(text: str, code: str) -> None:
    with pytest.raises(RegistryError) as refusal:
        parse_reference(text)

    assert refusal.value.code == code
