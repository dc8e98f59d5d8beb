"""Files of the registry's configuration, checked as if they were applied one after another."""

import base64
from pathlib import Path

import pytest
import yaml

from app.cluster.manifests import ManifestError
from app.config.settings import Settings
from app.model.credentials import S3_ACCESS_KEY, S3_SECRET_KEY, SECRET
from app.wiring.checking import Result, check
from tests import page
from tests.unit.registry_configs import config

VALUE = "Xq7unguessable"


async def check_text(folder: Path, *texts: str, **settings: str) -> list[Result]:
    """The output of `check` for files, on a state with one StorageClass."""
    state = folder / "state"
    state.mkdir(exist_ok=True)
    (state / "class.yaml").write_text(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\n"
    )
    files = []
    for number, text in enumerate(texts):
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(text)
    return await check(files, Settings.model_validate({**settings, "state": state}), warn=print)


async def test_files_are_checked_in_the_order_of_the_page(tmp_path: Path) -> None:
    text = page.examples()[1].replace("<storage-class-name>", "fast")
    claim, config_text = text.split("---\n")

    together = await check_text(tmp_path, text, reference_checks="deny")
    wrong_order = await check_text(tmp_path, config_text, claim, reference_checks="deny")

    assert [(result.allowed, result.warnings) for result in together] == [(True, [])] * 2
    assert [result.allowed for result in wrong_order] == [False, True]
    assert "does not exist in namespace image-registry-system" in wrong_order[0].message


def secret(**values: str) -> str:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": "image-registry-system"},
            "data": data,
        }
    )


async def test_refused_secret_does_not_count_for_later_files(tmp_path: Path) -> None:
    s3 = yaml.safe_dump(
        {**config({"storage": {"s3": {"bucket": "images", "region": "e"}}}),
         "apiVersion": "imageregistry.operator.alauda.io/v1"}
    )  # fmt: skip
    good = secret(**{S3_ACCESS_KEY: VALUE, S3_SECRET_KEY: VALUE})
    broken = secret(**{S3_ACCESS_KEY: VALUE, S3_SECRET_KEY: f"{VALUE}\n"})

    [first, after_broken] = await check_text(tmp_path, broken, s3)
    [second, after_good] = await check_text(tmp_path, good, s3)

    assert (first.allowed, second.allowed) == (False, True)
    assert VALUE not in repr(first)
    assert len(after_broken.warnings) == 2
    assert after_good.warnings == []


async def test_referenced_objects_are_read_from_the_state_folder(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "secret.yaml").write_text(
        secret(**{S3_ACCESS_KEY: VALUE, S3_SECRET_KEY: VALUE})
    )
    s3 = yaml.safe_dump(config({"storage": {"s3": {"bucket": "images", "region": "e"}}}))

    [result] = await check_text(tmp_path, s3, reference_checks="deny")

    assert (result.allowed, result.warnings) == (True, [])


async def test_value_that_reads_as_a_yaml_tag_is_not_shown(tmp_path: Path) -> None:
    text = yaml.safe_dump({"kind": "Secret", "stringData": {S3_SECRET_KEY: "VALUE"}})

    with pytest.raises(ManifestError) as caught:
        await check_text(tmp_path, text.replace("VALUE", f"!{VALUE}"))

    assert str(caught.value) == (
        f"{tmp_path}/0.yaml:3: not plain YAML: text that begins with ! has to be in quotes"
    )


async def test_other_secrets_are_left_alone(tmp_path: Path) -> None:
    broken = secret(**{S3_ACCESS_KEY: ""})

    for other in (broken.replace(SECRET, "another"), broken.replace("image-registry-system", "a")):
        [result] = await check_text(tmp_path, other)
        assert (result.allowed, result.warnings) == (True, [])
    [refused] = await check_text(
        tmp_path, broken.replace("  namespace: image-registry-system\n", "")
    )
    assert not refused.allowed, "the namespace may be left to kubectl"
