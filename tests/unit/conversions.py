"""Running `registry-admission convert` on the legacy gateway's example."""

from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from app.cli.main import main
from tests.legacy_gateway import CONFIG_MAP

EXACT = ("--namespaces", "team-a,shared-x")
DATA = yaml.safe_load(CONFIG_MAP)["data"]


def run(*arguments: str | Path, stdin: str = "") -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, ["convert", *map(str, arguments)], stdin)


def config_map(name: str, namespace: str = "cpaas-system", **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
