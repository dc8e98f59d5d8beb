"""The reference pages have every setting, command, endpoint and metric of the code."""

from app.api.metrics import OF_GATEWAY, OF_SERVICE
from app.cli import options
from app.cli.main import main
from app.config.settings import Settings
from app.controllers.metrics import OF_CONTROLLERS
from app.gateway.settings import GatewaySettings
from docs.generate import openapi, pages

PAGES = pages()


def test_reference_has_every_setting() -> None:
    for name in {*Settings.model_fields, *GatewaySettings.model_fields}:
        flag, variable = options.flag(name), name.upper()
        assert f"| `{flag}`<br>`REGISTRY_ADMISSION_{variable}` |" in PAGES["reference/settings.md"]


def test_reference_has_every_command() -> None:
    for name in main.commands:
        assert f"\n## registry-admission {name}\n" in PAGES["reference/cli.md"]
    assert "\n## registry-admission certs make\n" in PAGES["reference/cli.md"]


def test_reference_has_every_metric() -> None:
    for metric in {*OF_SERVICE, *OF_GATEWAY, *OF_CONTROLLERS}:
        assert f"| `{metric.samples[0]}`<br>{metric.type} |" in PAGES["reference/metrics.md"]
        assert metric.help in PAGES["reference/metrics.md"]


def test_reference_has_every_endpoint() -> None:
    paths = openapi()["paths"]

    assert {"/validate", "/mutate", "/metrics", "/v1/push/blob"} <= paths.keys()
    for path, operations in paths.items():
        for method in operations:
            assert f"\n## `{method.upper()} {path}`\n" in PAGES["reference/http-api.md"]


def test_placeholders_are_escaped() -> None:
    for path, page in PAGES.items():
        if path.startswith("reference/") and path.endswith(".md"):
            prose = page.split("```")[::2]
            for line in "".join(prose).splitlines():
                outside = "".join(line.split("`")[::2]).replace("<br>", "")
                assert "<" not in outside, line
