"""The queries of the dashboard, evaluated by promtool, and its panels of namespaces."""

import json
from pathlib import Path

import pytest
import yaml

from .programs import run
from .test_alerts import MONITORING

DAYS = 3
HOURS = DAYS * 24


def queries() -> dict[str, list[str]]:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    return {
        panel["title"]: [target["expr"] for target in panel.get("targets", [])]
        for panel in dashboard["panels"]
    }


def test_every_query_is_valid(promtool: Path, tmp_path: Path) -> None:
    every = [query for panel in queries().values() for query in panel]
    recorded = [
        {"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(every)
    ]
    group = {"groups": [{"name": "dashboard", "rules": recorded}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(group))

    run(promtool, "check", "rules", tmp_path / "rules.yaml")


@pytest.mark.parametrize(
    ("panel", "expected"),
    [
        pytest.param(
            "Fullest namespaces", {"growing": 0.772, "steady": 0.5}, id="share that is used"
        ),
        pytest.param("Growth per day", {"growing": 24, "steady": 0}, id="what a day has added"),
        pytest.param(
            "Forecast: share used in 7 days", {"growing": 0.94, "steady": 0.5}, id="in a week"
        ),
        pytest.param("Forecast: days until full", {"growing": 9.5}, id="the day it is full"),
    ],
)
def test_panel_of_namespaces_tells(
    promtool: Path, tmp_path: Path, panel: str, expected: dict[str, float]
) -> None:
    """One namespace gains an image an hour, beside one that stays as it is; two replicas."""
    series = [
        {"series": f'registry_admission_{name}{{namespace="{namespace}",pod="{pod}",'
                   f'resource="alauda.io/images"}}',
         "values": f"{values}x{HOURS}"}
        for namespace, used, hard in (("growing", "700+1", 1000), ("steady", "5+0", 10))
        for name, values in (("used", used), ("hard", f"{hard}+0"))
        for pod in ("one", "two")
    ]  # fmt: skip
    [query] = queries()[panel]
    samples = [
        {"labels": f'{{namespace="{namespace}", resource="alauda.io/images"}}', "value": value}
        for namespace, value in expected.items()
    ]
    check = {"expr": query, "eval_time": f"{HOURS}h", "exp_samples": samples}
    test = {
        "evaluation_interval": "1h",
        "tests": [{"interval": "1h", "input_series": series, "promql_expr_test": [check]}],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    run(promtool, "test", "rules", tmp_path / "test.yaml")
