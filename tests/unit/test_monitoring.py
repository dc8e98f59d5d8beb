"""Dashboard, alerts and scraping use metrics and ports that the service has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.api.metrics import OF_GATEWAY, OF_SERVICE
from app.certs import cluster, files
from app.controllers.metrics import OF_CONTROLLERS
from app.install.kustomization import Manifest

MANIFESTS = Path(__file__).parents[2] / "manifests"
MONITORING = MANIFESTS / "monitoring"
SERVICE = MANIFESTS / "base" / "deployment.yaml"
GATEWAY = MANIFESTS / "components" / "gateway" / "deployment.yaml"
ALERTS = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
_METRIC = re.compile(r"\bregistry_admission_\w+")


def samples() -> set[str]:
    return {
        sample
        for metric in {*OF_SERVICE, *OF_GATEWAY, *OF_CONTROLLERS}
        for sample in metric.samples
    }


def rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["spec"]["groups"] for rule in group["rules"]]


def queries() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_alerts_and_dashboard_use_existing_metrics() -> None:
    variables = [variable.get("definition", "") for variable in DASHBOARD["templating"]["list"]]
    asked = "\n".join([*(rule["expr"] for rule in rules()), *queries(), *variables])

    assert set(_METRIC.findall(asked)) <= samples()


def test_every_metric_is_on_the_dashboard() -> None:
    shown = set(_METRIC.findall("\n".join(queries())))

    for metric in {*OF_SERVICE, *OF_GATEWAY, *OF_CONTROLLERS}:
        assert shown & set(metric.samples), metric.family


def test_every_alert_has_a_severity_and_a_next_step() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["for"]


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def monitor(file: str) -> tuple[Manifest, dict[str, Any]]:
    """A PodMonitor and its only endpoint."""
    found: Manifest = yaml.safe_load((MONITORING / file).read_text())
    [endpoint] = found["spec"]["podMetricsEndpoints"]
    return found, endpoint


@pytest.mark.parametrize(
    ("file", "deployment", "scheme"),
    [("podmonitor.yaml", SERVICE, "HTTPS"), ("gateway-podmonitor.yaml", GATEWAY, "HTTP")],
)
def test_prometheus_reaches_the_pods(file: str, deployment: Path, scheme: str) -> None:
    found, endpoint = monitor(file)
    expected = yaml.safe_load(deployment.read_text())
    pod = expected["spec"]["template"]
    [container] = pod["spec"]["containers"]

    assert found["metadata"]["namespace"] == expected["metadata"]["namespace"]
    assert found["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in container["ports"]}
    probed = container["readinessProbe"]["httpGet"].get("scheme", "HTTP")
    assert endpoint.get("scheme", "http").upper() == probed == scheme


def test_prometheus_trusts_the_pods_of_the_service() -> None:
    found, endpoint = monitor("podmonitor.yaml")
    names = cluster.service_names("registry-admission", found["metadata"]["namespace"])

    assert endpoint["tlsConfig"] == {
        "ca": {"secret": {"name": cluster.NAME, "key": files.AUTHORITY}},
        "serverName": names[0],
    }


def test_alerts_name_the_container_of_the_gateway() -> None:
    gateway = yaml.safe_load(GATEWAY.read_text())["spec"]["template"]["spec"]["containers"][0]
    selected = re.findall(r'container!?="([^"]*)"', "\n".join(rule["expr"] for rule in rules()))

    assert set(selected) == {gateway["name"]}
