"""The image or tag to which a `from` refers."""

import pytest

from app.admission.references import References, Target, label_of
from app.cluster.stores import WatchedConfig
from app.cluster.unreadable import UnreadableObjects
from app.model.stream import ObjectReference
from app.quota.usage import StreamUsage
from tests.unit.stores import FakeState

REGISTRY = "image-registry.image-registry-system.svc:5000"


def resolve(kind: str, name: str, namespace: str = "") -> Target:
    state = FakeState()
    state.store("team-b", "big", {"v1": ("sha256:new", "sha256:old"), "latest": ("sha256:last",)})
    state.store("team-b", "app", {"v1": ("sha256:same",)})
    reference = ObjectReference(kind=kind, name=name, namespace=namespace)
    return References(state, {REGISTRY, "Registry.example.com"}).target(reference, "team-a", "app")


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "digest", "external"),
    [
        pytest.param("ImageStreamTag", "big:v1", "team-b", "sha256:new", False, id="tag"),
        pytest.param("ImageStreamTag", "big:", "team-b", "sha256:last", False, id="latest tag"),
        pytest.param("ImageStreamTag", "v1", "team-b", "sha256:same", False, id="its own stream"),
        pytest.param("ImageStreamTag", "big:v1", "", None, False, id="in its own namespace"),
        pytest.param("ImageStreamTag", "big:none", "team-b", None, False, id="no such tag"),
        pytest.param("ImageStreamImage", "big@sha256:x", "team-b", "sha256:x", False, id="image"),
        pytest.param("ImageStreamImage", "big@", "team-b", None, False, id="image without digest"),
        pytest.param(
            "ImageStreamImage", "sha256:same", "team-b", "sha256:same", False,
            id="image of its own stream",
        ),
        pytest.param(
            "ImageStreamImage", "big@sha256:n", "team-b", "sha256:new", False,
            id="the beginning of a digest",
        ),
        pytest.param(
            "ImageStreamImage", "big@ol", "team-b", "sha256:old", False,
            id="the beginning of its digits",
        ),
        pytest.param(
            "ImageStreamImage", "big@sha256:", "team-b", "sha256:", False, id="an unclear beginning"
        ),
        pytest.param(
            "DockerImage", f"{REGISTRY}/team-b/big@sha256:x", "", "sha256:x", False, id="internal"
        ),
        pytest.param(
            "DockerImage", f"{REGISTRY}/team-b/big:v1", "", "sha256:new", False, id="internal tag"
        ),
        pytest.param(
            "DockerImage", f"{REGISTRY}/team-b/big", "", "sha256:last", False, id="internal latest"
        ),
        pytest.param(
            "DockerImage", f"{REGISTRY.upper()}/team-b/big:v1", "", "sha256:new", False,
            id="internal in capitals",
        ),
        pytest.param(
            "DockerImage", "registry.example.com:443/team-b/big:v1", "", "sha256:new", False,
            id="internal with the port that is understood",
        ),
        pytest.param("DockerImage", f"{REGISTRY}/nothing", "", None, False, id="internal unknown"),
        pytest.param("DockerImage", "example.com/team-b/big:v1", "", None, True, id="external"),
        pytest.param(
            "DockerImage", "example.com/x@sha256:x", "", "sha256:x", True, id="external digest"
        ),
        pytest.param("DockerImage", "team-b/big:v1", "", None, True, id="no host at all"),
        pytest.param("DockerImage", "", "", None, True, id="empty"),
        pytest.param("Surprise", "big:v1", "team-b", None, True, id="unknown kind"),
    ],
)  # fmt: skip
def test_targets_of_references(
    kind: str, name: str, namespace: str, digest: str | None, external: bool
) -> None:
    target = resolve(kind, name, namespace)

    assert (target.digest, target.external) == (digest, external)


def test_registry_names_come_from_its_configuration() -> None:
    state, watched = FakeState(), WatchedConfig(UnreadableObjects("v1", "Config"))
    references = References(state, {REGISTRY}, lambda: watched.hosts)
    image = ObjectReference(kind="DockerImage", name="images.example.com/team-b/big@sha256:x")
    routes = [{"name": "public", "hostname": "images.example.com"}]

    assert references.target(image, "team-a", "app").external
    for spec in (
        {"routes": routes},
        {"imagePullSecret": {"additionalRegistryHosts": ["images.example.com"]}},
    ):
        watched.put(("", "cluster"), {"metadata": {"name": "cluster"}, "spec": spec})
        assert not references.target(image, "team-a", "app").external
        watched.retain({("", "other")})
        assert references.target(image, "team-a", "app").external


def test_a_label_names_kind_namespace_and_name() -> None:
    assert resolve("ImageStreamTag", "big:v1", "team-b").label == "ImageStreamTag team-b/big:v1"
    assert resolve("ImageStreamTag", "v1").label == "ImageStreamTag team-a/app:v1"
    assert resolve("ImageStreamImage", "sha256:x").label == "ImageStreamImage team-a/app@sha256:x"


def test_the_label_of_a_reference_needs_no_state() -> None:
    source = ObjectReference(kind="ImageStreamTag", name="big:v1", namespace="team-b")
    assert label_of(source, "team-a", "app") == "ImageStreamTag team-b/big:v1"


@pytest.mark.parametrize(
    ("name", "expected_in"),
    [
        pytest.param("big@sha256:new", "", id="an image that it holds"),
        pytest.param("big@ol", "", id="the beginning of one"),
        pytest.param("big@sha256:x", "ImageStream team-b/big", id="an image that it has not"),
        pytest.param("big@sha256:", "ImageStream team-b/big", id="an unclear beginning"),
        pytest.param("none@sha256:new", "ImageStream team-b/none", id="no such stream"),
    ],
)
def test_an_image_that_its_stream_does_not_hold_is_told_apart(name: str, expected_in: str) -> None:
    assert resolve("ImageStreamImage", name, "team-b").expected_in == expected_in


class CountingText(str):
    """Counts how often a text is compared with another one."""

    compared = 0

    def __lt__(self, other: str) -> bool:
        CountingText.compared += 1
        return super().__lt__(other)


def test_the_beginning_of_a_digest_is_looked_up_and_not_searched_for() -> None:
    stream = StreamUsage({"v1": tuple(f"sha256:{number:064x}" for number in range(4096))})
    assert stream.image_named("f" * 64) is None
    stream._sorted = list(map(CountingText, stream._sorted))

    CountingText.compared = 0
    for number in range(100):
        digest = f"sha256:{number:064x}"
        assert stream.image_named(digest) == digest
        assert stream.image_named(f"{number:064x}") == digest
    assert CountingText.compared <= 100 * 2 * 2 * 13
    assert stream.image_named("0") is None
