"""Dashboard, alerts and scraping use metrics and ports that the service has."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from app.api.metrics import OF_GATEWAY, OF_SERVICE
from app.certs import cluster, files
from app.controllers.metrics import OF_CONTROLLERS
from tests.unit.manifests import only

MONITORING = Path(__file__).parents[2] / "manifests" / "monitoring"
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


def test_prometheus_reaches_the_pods_and_trusts_them() -> None:
    monitor = yaml.safe_load((MONITORING / "podmonitor.yaml").read_text())
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    deployment = only("Deployment")
    pod = deployment["spec"]["template"]
    namespace = deployment["metadata"]["namespace"]
    names = cluster.service_names("registry-admission", namespace)

    assert monitor["metadata"]["namespace"] == namespace
    assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert endpoint["tlsConfig"] == {
        "ca": {"secret": {"name": cluster.NAME, "key": files.AUTHORITY}},
        "serverName": names[0],
    }
