"""kubectl reads each file of the unit tests' tables with the same result."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.manifest_texts import FILES, SCALARS

from .cluster import Cluster
from .domain import DOMAIN

pytestmark = pytest.mark.e2e


def read(cluster: Cluster, file: Path, content: bytes) -> list[dict[str, Any]]:
    """The objects that kubectl would send, without the annotation that `annotate` adds."""
    file.write_bytes(content)
    printed = cluster.kubectl("annotate", "--local", "-ojson", f"-f{file}", "of=test").stdout
    found, decoder = [], json.JSONDecoder()
    while printed.strip():
        one, end = decoder.raw_decode(printed.lstrip())
        printed = printed.lstrip()[end:]
        del one["metadata"]["annotations"]
        found.append(one)
    return found


def test_unquoted_text_has_the_value_of_the_table(cluster: Cluster, tmp_path: Path) -> None:
    kind = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\n"
    documents = [f"{kind}spec: {{value: {text}}}\n" for text in SCALARS]
    found = read(cluster, tmp_path / "things.yaml", "---\n".join(documents).encode())
    assert [one["spec"]["value"] for one in found] == list(SCALARS.values())


@pytest.mark.parametrize(
    ("suffix", "content", "objects"), [row[1:] for row in FILES], ids=[row[0] for row in FILES]
)
def test_a_file_has_the_objects_of_the_table(
    cluster: Cluster, tmp_path: Path, suffix: str, content: bytes, objects: list[dict[str, Any]]
) -> None:
    assert read(cluster, tmp_path / f"things.{suffix}", content) == objects


def test_a_number_in_quotes_is_refused(cluster: Cluster) -> None:
    config = (
        f"apiVersion: imageregistry.operator.{DOMAIN}/v1\nkind: Config\n"
        "metadata: {name: cluster}\nspec: {replicas: '2'}\n"
    )
    refused = cluster.kubectl(
        "create", "--dry-run=server", "--validate=false", "-f-", input=config, check=False
    )
    assert refused.returncode == 1
    assert "spec.replicas" in refused.stderr
