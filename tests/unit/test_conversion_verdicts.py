"""Converted limits decide as the legacy gateway did, with a list of intended differences."""

from pathlib import Path

import pytest
import yaml

from app.config.settings import Settings
from app.migration import converting
from app.migration.conversion import Conversion, Totals, convert
from app.model.domain import ApiDomain
from app.wiring import checking
from tests.legacy_gateway import LOOSER, NAMESPACES, SAME, Push, config, gateway_allows


@pytest.fixture(scope="module")
def conversion() -> Conversion:
    return convert(config(), NAMESPACES)


async def converted_allows(conversion: Conversion, push: Push, folder: Path) -> bool:
    """Ask the service, with the converted limits and a repository with this number of tags."""
    state = folder / "state"
    converting.write_files(state, conversion.namespaces, ApiDomain(), Totals())
    (state / "stream.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "image.alauda.io/v1",
                "kind": "ImageStream",
                "metadata": {"name": push.stream, "namespace": push.namespace},
                "spec": {"tags": [{"name": f"tag-{i}"} for i in range(push.tags)]},
            }
        )
    )
    (folder / "push.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "image.alauda.io/v1",
                "kind": "ImageStreamMapping",
                "metadata": {"name": push.stream, "namespace": push.namespace},
                "tag": "new",
                "image": {
                    "metadata": {"name": "sha256:" + "0" * 64},
                    "dockerImageMetadata": {"Size": push.bytes},
                },
            }
        )
    )
    [result] = await checking.check([folder / "push.yaml"], Settings(state=state), warn=print)
    return result.allowed


def test_verdict_table_has_many_allowed_and_refused_pushes() -> None:
    verdicts = [gateway_allows(push) for push in SAME]
    assert len(set(SAME)) >= 60
    assert verdicts.count(True) >= 20
    assert verdicts.count(False) >= 20


@pytest.mark.parametrize("push", SAME, ids=str)
async def test_conversion_keeps_the_verdict_of_a_push(
    conversion: Conversion, push: Push, tmp_path: Path
) -> None:
    assert await converted_allows(conversion, push, tmp_path) is gateway_allows(push)


@pytest.mark.parametrize("push", LOOSER, ids=str)
async def test_report_names_pushes_that_become_allowed(
    conversion: Conversion, push: Push, tmp_path: Path
) -> None:
    [converted] = [item for item in conversion.namespaces if item.namespace == push.namespace]
    assert not gateway_allows(push)
    assert await converted_allows(conversion, push, tmp_path)
    assert converted.changes


def test_exact_conversion_keeps_every_verdict(conversion: Conversion) -> None:
    exact = {item.namespace for item in conversion.namespaces if item.exact}
    assert exact == {"team-a", "shared-x", "shared-y", "infra", "my-mirror", "closed"}
