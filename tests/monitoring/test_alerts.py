"""promtool of Prometheus evaluates the alert rules: each alert fires in its case and not in a
similar one."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from .programs import run

MONITORING = Path(__file__).parents[2] / "manifests" / "monitoring"
POD = 'namespace="ns",pod="one"'
OTHER = 'namespace="ns",pod="two"'
GATEWAY = 'namespace="ns",pod="proxy",container="registry-gateway"'
OTHER_GATEWAY = 'namespace="ns",pod="proxy-two",container="registry-gateway"'
DAY = 24 * 60
TEAM = 'namespace="team-a",resource="alauda.io/images"'

Series = dict[str, str]


def gauge(name: str, values: str, pod: str = POD) -> Series:
    return {"series": f"registry_admission_{name}{{{pod}}}", "values": values}


def reviews(values: str, **labels: str) -> Series:
    named = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return {"series": f"registry_admission_reviews_total{{{POD},{named}}}", "values": values}


def buckets(quick: str, everything: str) -> list[Series]:
    return [
        gauge("review_seconds_bucket", quick, f'{POD},le="1"'),
        gauge("review_seconds_bucket", everything, f'{POD},le="5"'),
        gauge("review_seconds_bucket", everything, f'{POD},le="+Inf"'),
    ]


def bad_requests(values: str) -> Series:
    return gauge("bad_requests_total", values, f'{POD},code="400"')


def controller(name: str, values: str, **labels: str) -> Series:
    named = "".join(f',{name}="{value}"' for name, value in labels.items())
    return gauge(f"controller_{name}", values, f'{POD},controller="pull-secrets"{named}')


FIRES: dict[str, tuple[list[Series], dict[str, str]]] = {
    "Absent": ([gauge("reservations", "0x60"), gauge("ready", "1x60", GATEWAY)], {}),
    "NoneReady": (
        [gauge("ready", "0x60"), gauge("ready", "0x60", OTHER), gauge("ready", "1x60", GATEWAY)],
        {"namespace": "ns"},
    ),
    "GatewayNoneReady": (
        [
            gauge("ready", "0x60", GATEWAY),
            gauge("ready", "0x60", OTHER_GATEWAY),
            gauge("ready", "1x60"),
        ],
        {"namespace": "ns"},
    ),
    "GatewayUnreadRepositories": (
        [gauge("unread_repositories", "1x60", GATEWAY)],
        {"namespace": "ns"},
    ),
    "NotReady": (
        [gauge("ready", "0x60"), gauge("ready", "1x60", OTHER)],
        {"namespace": "ns", "pod": "one"},
    ),
    "StateStale": ([gauge("state_age_seconds", "1+60x60")], {"namespace": "ns", "pod": "one"}),
    "StateFolderBroken": ([gauge("state_broken", "1x60")], {"namespace": "ns", "pod": "one"}),
    "UnreadableObjects": (
        [gauge("unreadable_objects", "1x60", f'{POD},kind="ImageStream"')],
        {"namespace": "ns", "kind": "ImageStream"},
    ),
    "ReviewsUnavailable": (
        [reviews("0+3x60", verdict="denied", reason="StateUnavailable")],
        {"namespace": "ns", "reason": "StateUnavailable"},
    ),
    "ErrorBudgetBurns": (
        [
            reviews("0+98x60", verdict="allowed", reason=""),
            reviews("0+2x60", verdict="failed", reason="StateUnavailable"),
        ],
        {"namespace": "ns"},
    ),
    "ReviewsSlow": (buckets("0+90x60", "0+100x60"), {"namespace": "ns"}),
    "ManyRefusals": (
        [reviews("0+12x60", verdict="denied", reason="ImageTooLarge")],
        {"namespace": "ns", "reason": "ImageTooLarge"},
    ),
    "NamespaceNearlyFull": (
        [gauge("used", "90x60", TEAM), gauge("hard", "100x60", TEAM)],
        {"namespace": "team-a", "resource": "alauda.io/images"},
    ),
    "StrangeRequests": ([bad_requests("0+12x60")], {"namespace": "ns", "code": "400"}),
    "CertificateExpires": (
        [gauge("certificate_expiry_timestamp_seconds", f"{6 * DAY * 60}x60")],
        {"namespace": "ns", "pod": "one"},
    ),
    "CertificateExpiresToday": (
        [gauge("certificate_expiry_timestamp_seconds", f"{DAY * 30}x60")],
        {"namespace": "ns", "pod": "one"},
    ),
    "ControllerFails": (
        [controller("reconciles_total", "0+1x60", result="error")],
        {"namespace": "ns", "controller": "pull-secrets"},
    ),
    "ControllerOff": (
        [controller("state", "1x60", state="off")],
        {"namespace": "ns", "controller": "pull-secrets"},
    ),
    "PullSecretExpires": (
        [controller("earliest_expiry_timestamp_seconds", "4000x60")],
        {"namespace": "ns", "controller": "pull-secrets"},
    ),
    "ReservationsStuck": (
        [
            gauge("reservations", "2x60"),
            gauge("reservations", "0x60", GATEWAY),
            reviews("5x60", verdict="allowed", reason=""),
        ],
        {"namespace": "ns"},
    ),
}
"""Series of an hour, a value a minute, and the labels of the alert that they make fire."""

QUIET: dict[str, list[Series]] = {
    "Absent": [gauge("ready", "0x60")],
    "NoneReady": [gauge("ready", "0x60"), gauge("ready", "1x60", OTHER)],
    "GatewayNoneReady": [
        gauge("ready", "0x60", GATEWAY),
        gauge("ready", "1x60", OTHER_GATEWAY),
        gauge("ready", "0x60"),
    ],
    "GatewayUnreadRepositories": [gauge("unread_repositories", "900-45x20 0x40", GATEWAY)],
    "NotReady": [gauge("ready", "1 1 1 0 0 0 0 1x53")],
    "StateStale": [gauge("state_age_seconds", "0 1 4 9 1 2x56")],
    "StateFolderBroken": [gauge("state_broken", "0x60")],
    "UnreadableObjects": [gauge("unreadable_objects", "0x60", f'{POD},kind="ImageStream"')],
    "ReviewsUnavailable": [
        reviews("0+60x60", verdict="denied", reason="QuotaExceeded"),
        reviews("0 0 1 1x58", verdict="denied", reason="Overloaded"),
    ],
    "ErrorBudgetBurns": [
        reviews("0+99x60", verdict="allowed", reason=""),
        reviews("0+1x60", verdict="failed", reason="StateUnavailable"),
    ],
    "ReviewsSlow": buckets("0+1000x60", "0+1001x60"),
    "ManyRefusals": [
        reviews("0+3x60", verdict="denied", reason="ImageTooLarge"),
        reviews("0+60x60", verdict="denied", reason="StateUnavailable"),
        reviews("0+60x60", verdict="allowed", reason=""),
    ],
    "NamespaceNearlyFull": [gauge("used", "89x60", TEAM), gauge("hard", "100x60", TEAM)],
    "StrangeRequests": [bad_requests("0+1x60")],
    "CertificateExpires": [gauge("certificate_expiry_timestamp_seconds", f"{8 * DAY * 60}x60")],
    "CertificateExpiresToday": [
        gauge("certificate_expiry_timestamp_seconds", f"{2 * DAY * 60}x60")
    ],
    "ControllerFails": [
        controller("reconciles_total", "0+9x60", result="created"),
        controller("reconciles_total", "3x60", result="error"),
    ],
    "ControllerOff": [
        controller("state", "0x60", state="off"),
        controller("state", "1x60", state="waiting"),
    ],
    "PullSecretExpires": [controller("earliest_expiry_timestamp_seconds", "7200+60x60")],
    "ReservationsStuck": [
        gauge("reservations", "2x60"),
        reviews("0+5x60", verdict="allowed", reason=""),
    ],
}
"""Series that nearly make an alert fire."""


def rules() -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["spec"]
    return spec


def check_alert(
    promtool: Path, folder: Path, alert: str, series: list[Series], labels: dict[str, str] | None
) -> None:
    """Have promtool evaluate the rules on an hour of series. Without labels, expect no alert."""
    bare = deepcopy(rules())
    [rule] = [one for one in bare["groups"][0]["rules"] if one["alert"] == alert]
    del rule["annotations"]
    bare["groups"][0]["rules"] = [rule]
    fired = [] if labels is None else [{"exp_labels": {**labels, **rule["labels"]}}]
    (folder / "rules.yaml").write_text(yaml.safe_dump(bare))
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [
                    {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": expected}
                    for minute, expected in ((0, []), (50, fired))
                ],
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test))
    run(promtool, "test", "rules", folder / "test.yaml")


@pytest.mark.parametrize("alert", FIRES)
def test_an_alert_fires(promtool: Path, tmp_path: Path, alert: str) -> None:
    series, labels = FIRES[alert]
    check_alert(promtool, tmp_path, f"RegistryAdmission{alert}", series, labels)


@pytest.mark.parametrize("alert", QUIET)
def test_an_alert_does_not_fire(promtool: Path, tmp_path: Path, alert: str) -> None:
    check_alert(promtool, tmp_path, f"RegistryAdmission{alert}", QUIET[alert], None)


def test_every_alert_has_a_firing_and_a_silent_case() -> None:
    alerts = {
        rule["alert"].removeprefix("RegistryAdmission") for rule in rules()["groups"][0]["rules"]
    }

    assert alerts == FIRES.keys() == QUIET.keys()


def test_alert_rules_and_texts_are_valid(promtool: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))

    run(promtool, "check", "rules", tmp_path / "rules.yaml")
