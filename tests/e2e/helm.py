"""The Helm chart, rendered and installed with the helm of the tests."""

import json
import os
import subprocess
from typing import Any

import yaml

from app.install.kustomization import Manifest

from .cluster import Cluster
from .overlays import MANIFESTS, NAMESPACE

CHART = MANIFESTS / "chart"
IMAGE = "registry.example.com/registry-admission:1"
RELEASE = "registry-admission"


def helm(cluster: Cluster, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [cluster.tools / "helm", *arguments, f"--namespace={NAMESPACE}"],
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done


def values(**chosen: Any) -> str:
    return f"--set-json={','.join(f'{key}={json.dumps(value)}' for key, value in chosen.items())}"


def rendered(cluster: Cluster, *arguments: str) -> list[Manifest]:
    text = helm(cluster, "template", RELEASE, str(CHART), *arguments).stdout
    return [one for one in yaml.safe_load_all(text) if one]
