"""Every limit in a file that is not in force causes a warning."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from app.cli.main import main
from app.cluster.embedded import EmbeddedState
from app.model.domain import ApiDomain
from app.policy.not_in_force import not_in_force

DOMAIN = ApiDomain()
ITEM = {"type": "alauda.io/Image", "max": {"storage": "1Gi"}}
HARD = {"alauda.io/images": "5"}


def thing(kind: str, version: str = "v1", **content: Any) -> dict[str, Any]:
    metadata = {"name": "it", "namespace": "team-a"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


IN_FORCE = [
    thing("LimitRange", spec={"limits": [ITEM]}),
    thing("ResourceQuota", spec={"hard": HARD, "scopes": []}, status={}),
    thing("ImageStream", "image.alauda.io/v1"),
    thing("Template", objects=[{"kind": "Deployment"}, "text"]),
    thing("Deployment", "apps/v1"),
    thing("ConfigMap", data={"rules": "[]"}),
    {"kind": ["odd"], "metadata": 5},
]
NOT_IN_FORCE: list[tuple[dict[str, Any], str]] = [
    (thing("ResourceQuota", hard=HARD), "hard: ResourceQuota has no such field"),
    (thing("ResourceQuota", spec={"hards": HARD}), "spec.hards: ResourceQuota has no such field"),
    (thing("LimitRange", limits=[ITEM]), "limits: LimitRange has no such field"),
    (thing("LimitRange", spec={"hard": HARD}), "spec.hard: LimitRange has no such field"),
    (
        thing("LimitRange", spec={"limits": [{**ITEM, "maximum": {}}]}),
        "spec.limits[0].maximum: LimitRange has no such field",
    ),
    (
        thing("LimitRange", "apps/v1", spec={"limits": [ITEM]}),
        "apiVersion: LimitRange is read in v1, not in apps/v1",
    ),
    (thing("ImageStream"), "apiVersion: ImageStream is read in image.alauda.io/v1, not in v1"),
    (
        thing("Image", "image.openshift.io/v1"),
        "apiVersion: Image is read in image.alauda.io/v1, not in image.openshift.io/v1",
    ),
    (
        thing("Template", objects=[thing("LimitRange")]),
        "objects: the objects of a Template are not read; process it first",
    ),
    (
        thing("ClusterResourceQuota", "quota.openshift.io/v1"),
        "spec.quota: a ClusterResourceQuota is not enforced; use a ResourceQuota",
    ),
    (
        {**thing("ConfigMap"), "metadata": {"name": "image-registry-limit-config"}},
        "data: limits of the legacy gateway are not read; convert them",
    ),
    (
        thing("ResourceQuota", spec={"hard": {"alauda.io/imges": "5"}}),
        'spec.hard has no resource "alauda.io/imges"; did you mean alauda.io/images?',
    ),
    (
        thing("ResourceQuota", spec={"hard": {"openshift.io/images": "5"}}),
        'ResourceQuota team-a/it: spec.hard["openshift.io/images"] is not enforced by '
        "registry-admission, which knows alauda.io/imagestreams, alauda.io/images, "
        "alauda.io/image-tags",
    ),
    (
        thing("LimitRange", spec={"limits": [{"type": "alauda.io/Image"}]}),
        "LimitRange team-a/it: spec.limits[0] of type alauda.io/Image has no max and limits "
        "nothing",
    ),
]


MODE = {"metadata": {"name": "it", "namespace": "team-a",
                     "annotations": {DOMAIN.mode_annotation: "wrn"}}}  # fmt: skip
INSTEAD: list[tuple[dict[str, Any], str]] = [
    (
        {**thing("LimitRange", spec={"limits": [ITEM]}), **MODE},
        "annotation registry-admission.alauda.io/mode has the unknown value 'wrn': the setting "
        "default-mode is in force instead; set it to one of enforce, warn, audit",
    ),
    (
        {**thing("ResourceQuota", spec={"hard": HARD}), **MODE},
        "annotation registry-admission.alauda.io/mode has the unknown value 'wrn': the setting "
        "default-mode is in force instead; set it to one of enforce, warn, audit",
    ),
    (
        thing(
            "LimitRange", spec={"limits": [{"type": "alauda.io/Image", "max": {"storage": "10"}}]}
        ),
        'LimitRange team-a/it: spec.limits[0].max["storage"] is 10, and few images are smaller '
        "than 1Mi: is its unit missing?",
    ),
    (
        thing("ResourceQuota", spec={"hard": {"alauda.io/images": "10Gi"}}),
        'ResourceQuota team-a/it: spec.hard["alauda.io/images"] is 10Gi, and it is a count: is its '
        "unit meant?",
    ),
    (
        thing("ResourceQuota", spec={"hard": {"alauda.io/images": "-1"}}),
        'spec.hard["alauda.io/images"] is -1, below 0: 0 is in force instead; set it to 0 or more',
    ),
    (
        thing("ResourceQuota", spec={"hard": {"alauda.io/images": "1.5"}}),
        'spec.hard["alauda.io/images"] is 1500m, a fraction: the next lower whole number is in '
        "force instead; set it to a whole number",
    ),
    (
        thing("ResourceQuota", spec={"hard": {"alauda.io/images": "Ki"}}),
        'spec.hard["alauda.io/images"] is 0, a suffix without a number: 0 is in force instead; '
        "write the number before it",
    ),
    (
        thing("ResourceQuota", spec={"hard": HARD, "scopes": ["BestEffort"]}),
        "spec.scopes cannot apply to alauda.io/images: images have no scope: it is in force "
        "without the scope; move these names to a ResourceQuota without scopes",
    ),
    (
        thing("LimitRange", spec={"limits": [{**ITEM, "max": {"storage": "500m"}}]}),
        'spec.limits[0].max["storage"] is 500m, less than one byte: it is in force, and no image '
        "fits; m stands for thousandths: did you mean M or Mi?",
    ),
]


@pytest.mark.parametrize("content", IN_FORCE, ids=lambda one: str(one["kind"]))
def test_nothing_is_said_of_other_objects(content: dict[str, Any]) -> None:
    assert not_in_force(content, DOMAIN) == []


@pytest.mark.parametrize(("content", "problem"), NOT_IN_FORCE, ids=[row[1] for row in NOT_IN_FORCE])
def test_parts_that_are_not_in_force_are_named_with_the_reason(
    tmp_path: Path, content: dict[str, Any], problem: str
) -> None:
    assert not_in_force(content, DOMAIN) == [f"not in force: {problem}"]
    file = tmp_path / "state.yaml"
    file.write_text(yaml.safe_dump(content))
    assert EmbeddedState(tmp_path, DOMAIN).warnings == [f"{file}:1: not in force: {problem}"]


@pytest.mark.parametrize(("content", "problem"), INSTEAD, ids=[row[1] for row in INSTEAD])
def test_a_wrong_or_unlikely_value_is_named_with_the_value_in_force(
    content: dict[str, Any], problem: str
) -> None:
    assert not_in_force(content, DOMAIN) == [problem]


def test_a_limit_that_another_file_replaces_is_named(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(IN_FORCE[1]))
    assert EmbeddedState(tmp_path, DOMAIN).warnings == [
        f"{tmp_path / 'b.yaml'}:1: ResourceQuota team-a/it replaces an earlier one"
    ]


def test_a_running_service_logs_each_change_of_it_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = EmbeddedState(tmp_path, DOMAIN)
    (tmp_path / "quota.yaml").write_text(yaml.safe_dump(NOT_IN_FORCE[0][0]))

    for _ in range(2):
        state.reload()
    (tmp_path / "quota.yaml").unlink()
    for _ in range(2):
        state.reload()

    problems = [getattr(one, "problem", "") for one in caplog.records if one.levelname == "WARNING"]
    assert problems == [
        f"{tmp_path / 'quota.yaml'}:1: not in force: hard: ResourceQuota has no such field",
        f"{tmp_path}: no LimitRange or ResourceQuota, so that no push is refused",
    ]


@pytest.mark.parametrize("limited", [True, False])
async def test_a_folder_without_limits_is_told_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, limited: bool
) -> None:
    if limited:
        (tmp_path / "quota.yaml").write_text(yaml.safe_dump(IN_FORCE[1]))
    watching = asyncio.create_task(EmbeddedState(tmp_path, DOMAIN).watch())
    await asyncio.sleep(0)
    watching.cancel()

    problems = [getattr(one, "problem", "") for one in caplog.records]
    told = f"{tmp_path}: no LimitRange or ResourceQuota, so that no push is refused"
    assert problems == ([] if limited else [told])


@pytest.mark.parametrize("command", [["usage"], ["audit"], ["check", "FILE"]])
def test_commands_on_a_folder_warn_about_it(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "quota.yaml").write_text(yaml.safe_dump(NOT_IN_FORCE[0][0]))
    file = tmp_path.parent / "pod.yaml"
    file.write_text("{apiVersion: v1, kind: Pod, metadata: {name: a}}")
    arguments = [str(file) if one == "FILE" else one for one in command]

    answer = CliRunner().invoke(main, [*arguments, "--state", str(tmp_path)])

    assert "not in force: hard: ResourceQuota has no such field" in " ".join(answer.stderr.split())


def test_proposed_limits_that_would_not_be_in_force_are_named(tmp_path: Path) -> None:
    file = tmp_path / "proposed.yaml"
    file.write_text(yaml.safe_dump(NOT_IN_FORCE[0][0]))

    answer = CliRunner().invoke(main, ["audit", "--proposed", str(file)])

    assert f"Warning: {file}:1: not in force: hard: " in answer.stderr


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (thing("ResourceQuota", spec={"hard": HARD}), "allowed"),
        (thing("ResourceQuota", hard=HARD), "not checked"),
        (thing("ImageStream"), "not checked"),
        (thing("Template", "template.openshift.io/v1", objects=[]), "not checked"),
        (thing("Deployment", "apps/v1"), "not checked"),
        (thing("Secret"), "not checked"),
        (thing("ResourceQuota", spec={"hard": {"alauda.io/imges": "5"}}), "denied"),
    ],
)
def test_check_names_the_parts_that_it_did_not_check(
    tmp_path: Path, content: dict[str, Any], verdict: str
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(content))

    answer = CliRunner().invoke(main, ["check", str(file), "--state", str(tmp_path)])

    assert answer.exit_code == (verdict == "denied")
    assert verdict in answer.stdout


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("Config", {"replicas": "2"}, "spec.replicas"),
        ("Config", {"disableRedirect": "true"}, "spec.disableRedirect"),
        ("ImagePruner", {"keepTagRevisions": "3"}, "spec.keepTagRevisions"),
        ("ImagePruner", {"suspend": 0}, "spec.suspend"),
    ],
)
def test_a_value_of_another_type_is_refused_as_the_api_server_refuses_it(
    tmp_path: Path, kind: str, spec: dict[str, Any], field: str
) -> None:
    file = tmp_path / "a.yaml"
    content = thing(kind, "imageregistry.operator.alauda.io/v1", spec=spec)
    file.write_text(yaml.safe_dump({**content, "metadata": {"name": "cluster"}}))

    answer = CliRunner().invoke(main, ["check", str(file), "--state", str(tmp_path)])

    assert answer.exit_code == 1
    assert f"{field}: Input should be a valid" in answer.stdout
