"""Every example of the user-facing page works as printed."""

from pathlib import Path

import pytest
import yaml

from app.checking import check
from app.settings import Settings
from tests import page

KINDS = [
    ["Config"],
    ["PersistentVolumeClaim", "Config"],
    ["Config"],
    ["Config"],
    ["ResourceQuota"],
    ["LimitRange"],
]


def test_the_page_is_read_whole() -> None:
    documents = [list(yaml.safe_load_all(text)) for text in page.examples()]

    assert [[document["kind"] for document in block] for block in documents] == KINDS


@pytest.mark.parametrize("number", range(len(KINDS)))
@pytest.mark.parametrize("domain", ["alauda.io", "openshift.io"])
async def test_an_example_is_allowed(tmp_path: Path, number: int, domain: str) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(page.examples()[number].replace("alauda.io", domain))
    state = tmp_path / "state"
    state.mkdir()

    results = await check([file], Settings(api_domain=domain), state)

    assert [result.allowed for result in results] == [True] * len(KINDS[number])
    assert len(results) == len(KINDS[number])


async def test_the_limits_of_the_page_limit(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "quota.yaml").write_text(page.examples()[4])
    pushes = "---\n".join(
        f"apiVersion: image.alauda.io/v1\nkind: ImageStream\n"
        f"metadata: {{name: stream-{number}, namespace: team-a}}\n"
        for number in range(1, 22)
    )
    (tmp_path / "streams.yaml").write_text(pushes)

    results = await check([tmp_path / "streams.yaml"], Settings(), state)

    assert [result.allowed for result in results] == [True] * 20 + [False]
    assert "used: alauda.io/imagestreams=20, limited: alauda.io/imagestreams=20" in (
        results[-1].message
    )
