"""The state from a folder: the objects that are read, and the behaviour for broken files."""

import logging
import time
from itertools import pairwise
from pathlib import Path

import pytest

from app.cluster import manifests
from app.cluster.embedded import EmbeddedState
from app.cluster.manifests import ManifestError
from app.model.domain import ApiDomain
from app.model.quantity import Quantity

DIGEST = "sha256:" + "a" * 64

LIMITS = """\
apiVersion: v1
kind: LimitRange
metadata: {name: loose, namespace: team-a}
spec:
  limits:
    - type: alauda.io/Image
      max: {storage: 2Gi}
---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: LimitRange
    metadata: {name: tight, namespace: team-a}
    spec:
      limits:
        - type: alauda.io/Image
          max: {storage: 1Gi}
  - apiVersion: v1
    kind: ResourceQuota
    metadata: {name: quota}
    spec: {hard: {alauda.io/images: 5, pods: 3}}
"""
STREAMS = f"""\
apiVersion: image.alauda.io/v1
kind: ImageStream
metadata: {{name: app, namespace: team-a}}
status: {{tags: [{{tag: v1, items: [{{image: '{DIGEST}'}}]}}]}}
---
apiVersion: image.alauda.io/v1
kind: Image
metadata: {{name: '{DIGEST}'}}
dockerImageMetadata: {{Size: 10}}
dockerImageLayers: [{{name: l1, size: 7}}, {{name: l1, size: 7}}, {{name: l2, size: 5}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: none-of-our-business}}
"""


def state(folder: Path, domain: str = "alauda.io") -> EmbeddedState:
    return EmbeddedState(folder, ApiDomain(domain))


async def test_every_file_of_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "limits.yaml").write_text(LIMITS)
    (tmp_path / "streams.yml").write_text(STREAMS)
    (tmp_path / "notes.txt").write_text("not a manifest")

    read = state(tmp_path)

    image_size = read.limits("team-a").image_size
    assert image_size is not None
    assert (image_size.source, image_size.max) == ("tight", Quantity("1Gi"))
    assert read.limits("default").quotas[0].images == Quantity("5")
    assert not read.limits("team-b").limits_members
    assert read.usage("team-a").image_count == 1
    image = await read.image(DIGEST)
    assert image is not None
    assert image.size == 12
    assert await read.image("sha256:other") is None
    assert read.holds_images()


def test_names_of_the_configured_domain_are_read(tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text(LIMITS.replace("alauda.io", "openshift.io"))
    (tmp_path / "streams.yaml").write_text(STREAMS.replace("alauda.io", "openshift.io"))

    assert state(tmp_path, "openshift.io").limits("team-a").image_size is not None
    assert state(tmp_path, "openshift.io").usage("team-a").stream_count == 1
    assert state(tmp_path, "alauda.io").limits("team-a").image_size is None
    assert state(tmp_path, "alauda.io").usage("team-a").stream_count == 0


BOMB = "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}' if before else 'x'] * 10)}]"
    for before, name in pairwise(("", *"abcdefgh"))
)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("a: [1,\n2\n", 2, "did not find expected", id="not YAML"),
        pytest.param("kind: List\n---\njust text\n", 3, "not a Kubernetes object", id="a text"),
        pytest.param("a: 1\n", 1, "it has no kind", id="no kind"),
        pytest.param(
            LIMITS.replace("storage: 1Gi", "storage: 1Gb"), 18,
            "spec.limits.0.max.storage: '1Gb' is not a quantity", id="a bad quantity in a List",
        ),
        pytest.param(
            "kind: ImageStream\napiVersion: image.alauda.io/v1\nstatus:\n  tags: 5\n", 4,
            "status.tags: Input should be a valid list", id="shape"
        ),
        pytest.param("a: *nothing\n", 1, "undefined alias", id="undefined alias"),
        pytest.param("a:\n " + "[" * 50_000, 2, "nested deeper than 100 levels", id="deep lists"),
        pytest.param("\n" + '{"a":' * 50_000, 2, "nested deeper than 100 levels", id="deep JSON"),
        pytest.param("- " * 50_000, 1, "nested deeper than 100 levels", id="deep list items"),
        pytest.param(BOMB, 5, "aliases add more than 100000 values", id="aliases of aliases"),
        pytest.param("a: &a\n  b: *a\n", 2, "an alias is inside of", id="alias of itself"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(text)

    with pytest.raises(ManifestError) as caught:
        state(tmp_path)

    assert str(caught.value).startswith(f"{broken}:{line}: ")
    assert problem in str(caught.value)


def test_too_large_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_text(LIMITS + "#" * 2**20)

    with pytest.raises(ManifestError, match=r"large.yaml:1: larger than 1 MiB"):
        list(manifests.read(file, max_bytes=2**20))


def test_files_may_use_aliases_and_nest_as_objects_do(tmp_path: Path) -> None:
    deep = "{a: " * 90 + "1" + "}" * 90
    (tmp_path / "a.yaml").write_text(f"kind: Other\nspec: {deep}\nx: &x [1, 2]\ny: [*x, *x]\n")

    assert state(tmp_path).broken is None


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="missing"):
        state(tmp_path / "missing")


def test_last_good_state_stays_in_force_during_a_broken_file(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(LIMITS)
    read = state(tmp_path)

    file.write_text("a: [")
    read.reload()
    assert read.broken is not None
    assert read.broken.startswith(f"{file}:1: ")
    assert read.limits("default").limits_members

    file.write_text("")
    read.reload()
    assert read.broken is None
    assert not read.limits("default").limits_members


def test_age_of_the_view_grows_during_a_broken_file(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(LIMITS)
    started = time.time()
    read = state(tmp_path)
    assert read.view().time >= started

    file.write_text("a: [")
    broken_since = time.time()
    read.reload()
    assert read.view().time <= broken_since

    file.write_text(LIMITS)
    read.reload()
    assert read.view().time >= broken_since


def test_a_problem_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read = state(tmp_path)
    (tmp_path / "limits.yaml").write_text("a: [")

    read.reload()
    read.reload()

    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_folder_that_did_not_change_is_not_reloaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(LIMITS)
    read = state(tmp_path)
    caplog.set_level(logging.INFO)

    file.touch()
    assert not read.reload()
    (tmp_path / "notes.txt").write_text("not a manifest")
    assert not read.reload()
    assert caplog.records == []

    file.write_text("a: [")
    assert (read.reload(), read.reload()) == (True, False)
    file.write_text(LIMITS)
    assert (read.reload(), read.reload()) == (True, False)
    file.rename(tmp_path / "renamed.yaml")
    assert (read.reload(), read.reload()) == (True, False)
    assert [record.getMessage() for record in caplog.records] == [
        "state not reloaded, the last good one stays",
        "state reloaded",
        "state reloaded",
    ]


def test_view_of_a_folder_that_did_not_change_is_as_young_as_the_last_look(
    tmp_path: Path,
) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(LIMITS)
    read = state(tmp_path)

    looked = time.time()
    read.reload()
    file.write_text("a: [")
    read.reload()

    assert read.view().time >= looked


async def test_a_mounted_config_map_is_read_once_and_in_its_present_version(
    tmp_path: Path,
) -> None:
    for version, storage in (("..1", "1Gi"), ("..2", "3Gi")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "limits.yaml").write_text(LIMITS.replace("1Gi", storage))
    (tmp_path / "..data").symlink_to("..2")
    (tmp_path / "limits.yaml").symlink_to("..data/limits.yaml")

    read = state(tmp_path)

    image_size = read.limits("team-a").image_size
    assert image_size is not None
    assert image_size.max == Quantity("2Gi")
    assert len(read.limits("default").quotas) == 1


def test_later_object_with_the_same_name_wins(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(LIMITS)
    (tmp_path / "b.yaml").write_text(LIMITS.replace("alauda.io/images: 5", "alauda.io/images: 9"))

    [quota] = state(tmp_path).limits("default").quotas

    assert quota.images == Quantity("9")
