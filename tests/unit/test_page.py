"""Every example of the user-facing page works as printed."""

import copy
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
import yaml

from app.admission.review import AdmissionRequest, GroupVersionKind
from app.cluster.embedded import EmbeddedState
from app.config.settings import Settings
from app.wiring import service
from app.wiring.backends import embedded
from app.wiring.checking import check
from tests import page
from tests.patience import PATIENCE

KINDS = [
    ["Config"],
    ["PersistentVolumeClaim", "Config"],
    ["Config"],
    ["Config"],
    ["ResourceQuota"],
    ["LimitRange"],
]


def test_every_example_of_the_page_is_found() -> None:
    documents = [list(yaml.safe_load_all(text)) for text in page.examples()]

    assert [[document["kind"] for document in block] for block in documents] == KINDS


@pytest.mark.parametrize("number", range(len(KINDS)))
@pytest.mark.parametrize("domain", ["alauda.io", "openshift.io"])
async def test_example_of_the_page_is_allowed(tmp_path: Path, number: int, domain: str) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(page.examples()[number].replace("alauda.io", domain))
    state = tmp_path / "state"
    state.mkdir()
    (state / "namespace.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: a}}")

    results = await check([file], Settings(api_domain=domain, state=state), warn=print)

    assert [result.allowed for result in results] == [True] * len(KINDS[number])
    assert len(results) == len(KINDS[number])


def paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every field of an object, by its path."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield (*path, name)
            yield from paths(item, (*path, name))


CONFIGS = [
    document
    for text in page.examples()
    for document in yaml.safe_load_all(text)
    if document["kind"] == "Config"
]
REQUIRED = {"spec.storage.s3.bucket": ("BucketMissing",)}
OPTIONAL = [
    pytest.param(number, path, id=f"{number}:{'.'.join(path)}")
    for number, document in enumerate(CONFIGS)
    for path in paths({"spec": document["spec"]})
]


@pytest.mark.parametrize(("number", "path"), OPTIONAL)
async def test_null_in_an_example_is_defaulted_and_allowed(
    tmp_path: Path, number: int, path: tuple[str, ...]
) -> None:
    content = copy.deepcopy(CONFIGS[number])
    *parents, last = path
    reduce(getitem, parents, content)[last] = None
    settings = Settings()
    admission = service.build(
        settings, embedded(EmbeddedState(tmp_path, settings.domain), settings)
    ).admission
    request = AdmissionRequest(
        uid="1",
        kind=GroupVersionKind(group=settings.domain.operator_group, version="v1", kind="Config"),
        operation="CREATE",
        name="cluster",
        object=content,
    )

    defaults = await admission.mutate(request, within=PATIENCE)
    patched = jsonpatch.apply_patch(content, defaults.patch)
    outcome = await admission.validate(
        request.model_copy(update={"object": patched}), within=PATIENCE
    )

    assert outcome.causes == REQUIRED.get(".".join(path), ()), outcome.message
    assert patched["spec"]["managementState"]
    assert patched["spec"]["imagePullSecret"]["managementState"]


async def test_limits_of_the_page_are_enforced(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "quota.yaml").write_text(page.examples()[4])
    pushes = "---\n".join(
        f"apiVersion: image.alauda.io/v1\nkind: ImageStream\n"
        f"metadata: {{name: stream-{number}, namespace: team-a}}\n"
        for number in range(1, 22)
    )
    (tmp_path / "streams.yaml").write_text(pushes)

    results = await check([tmp_path / "streams.yaml"], Settings(state=state), warn=print)

    assert [result.allowed for result in results] == [True] * 20 + [False]
    assert "used: alauda.io/imagestreams=20, limited: alauda.io/imagestreams=20" in (
        results[-1].message
    )
