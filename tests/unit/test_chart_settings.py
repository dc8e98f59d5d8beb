"""The chart has a value for every setting of the service and of the gateway."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli.gateway import gateway
from app.cli.options import SettingsCommand
from app.config.settings import Settings
from app.config.shared_settings import SharedSettings
from app.gateway.settings import GatewaySettings

CHART = Path(__file__).parents[2] / "manifests/chart"
VALUES = {
    "default-mode": "mode",
    "api-domain": "domain",
    "registry-namespace": "registryNamespace",
    "certificates": "certificates",
    "controllers": "controllers",
    "page": "page",
    "cluster-name": "clusterName",
    "docs-url": "docsUrl",
    "upstream": "upstream",
    "upstream-ca": "registryCA",
    "state": "limits",
}
"""Settings that a value of another name sets."""
FIXED = {"host", "port", "tls-dir", "namespace", "kubeconfig", "context", "database"}
"""Settings that the manifests set. Other values would not match ports, volumes and rights."""


def part(content: dict[str, Any], which: str) -> dict[str, Any]:
    """The values of the service, or of the gateway."""
    return content if which == "service" else content["gateway"]


def schema(which: str) -> dict[str, Any]:
    whole = json.loads((CHART / "values.schema.json").read_text())["properties"]
    return whole if which == "service" else dict(whole["gateway"]["properties"])


def names_in(schema: dict[str, Any]) -> list[str]:
    return list(schema["propertyNames"]["enum"])


def settings_of(which: str) -> tuple[type[SharedSettings], list[str]]:
    if which == "service":
        return Settings, list(Settings.model_fields)
    assert isinstance(gateway, SettingsCommand)
    flags = {parameter.name or "" for parameter in gateway.params}
    return GatewaySettings, sorted(flags & set(GatewaySettings.model_fields))


@pytest.mark.parametrize("which", ["service", "gateway"])
def test_every_setting_can_be_set_in_exactly_one_way(which: str) -> None:
    _, settings = settings_of(which)
    values = schema(which)
    fixed = FIXED if which == "gateway" else FIXED | {"state"}
    ways = {
        name: [
            way
            for way, holds in {
                "settings": name in names_in(values["settings"]),
                "files": name in names_in(values["files"]),
                "value": name not in fixed and VALUES.get(name) in values,
                "manifests": name in fixed,
                "of the service": which == "gateway" and name in ("api-domain", "default-mode"),
            }.items()
            if holds
        ]
        for name in (setting.replace("_", "-") for setting in settings)
    }
    assert {name: found for name, found in ways.items() if len(found) != 1} == {}
    known = {*names_in(values["settings"]), *names_in(values["files"])}
    assert known - ways.keys() == set()


@pytest.mark.parametrize("which", ["service", "gateway"])
def test_a_file_is_a_setting_that_is_a_path(which: str) -> None:
    model, _ = settings_of(which)
    values = schema(which)
    for kind in ("files", "settings"):
        for name in names_in(values[kind]):
            annotation = str(model.model_fields[name.replace("-", "_")].annotation)
            assert (Path.__name__ in annotation) == (kind == "files"), name


def test_every_value_has_a_default_and_every_default_a_schema() -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    for which in ("service", "gateway"):
        assert part(defaults, which).keys() == schema(which).keys() - {"global"}
