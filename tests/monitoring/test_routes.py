"""The example route of the how-to, read by amtool of Alertmanager."""

import re
from pathlib import Path

import pytest

from .programs import run

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "monitor.md"
FULL = "RegistryAdmissionNamespaceNearlyFull"


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    found = re.search(r'```yaml title="alertmanager.yaml"\n(.*?)```', HOW_TO.read_text(), re.S)
    assert found is not None
    path = tmp_path / "alertmanager.yaml"
    path.write_text(found[1])
    return path


def test_example_is_valid(amtool: Path, configuration: Path) -> None:
    run(amtool, "check-config", configuration)


@pytest.mark.parametrize(
    ("alert", "namespace", "receivers"),
    [
        pytest.param(FULL, "team-a", "team-a", id="a team"),
        pytest.param(FULL, "team-a-dev", "team-a", id="another namespace of the team"),
        pytest.param(FULL, "team-b", "team-b", id="another team"),
        pytest.param(FULL, "team-abc", "platform", id="a namespace of no team"),
        pytest.param(
            "RegistryAdmissionNotReady", "registry-admission", "platform", id="the service itself"
        ),
        pytest.param(
            "RegistryAdmissionUnreadableObjects", "team-a", "platform", id="no alert for a team"
        ),
    ],
)
def test_alert_goes_to_its_team(
    amtool: Path, configuration: Path, alert: str, namespace: str, receivers: str
) -> None:
    told = run(
        amtool, "config", "routes", "test", f"--config.file={configuration}",
        f"alertname={alert}", f"namespace={namespace}", "severity=warning",
    )  # fmt: skip
    assert told.strip() == receivers
