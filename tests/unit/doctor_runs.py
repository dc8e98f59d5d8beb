"""Runs `registry-admission doctor` in this process."""

from pathlib import Path

import yaml
from click.testing import CliRunner, Result

from app.cli.main import main
from tests import registry_objects as objects

PENDING = {**objects.claim(storageClassName="fast"), "status": {"phase": "Pending"}}
"""A claim with one fault: its StorageClass does not exist."""


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["doctor", *map(str, arguments)])


def kubeconfig(server: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "a", "cluster": {"server": server}}],
            "users": [{"name": "a", "user": {"token": "token"}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        }
    )
