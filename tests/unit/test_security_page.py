"""The rights that the documentation lists are those of the manifests."""

import re
from pathlib import Path

from app.install.kustomization import Manifest
from tests.unit.manifests import manifests

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
PLACES = {
    "": "cluster",
    "registry-admission": "its namespace",
    "image-registry-system": "the registry's namespace",
}
_ROW = re.compile(
    rf"^\| ({'|'.join(PLACES.values())}) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", re.MULTILINE
)


def granted(role: Manifest) -> list[tuple[str, list[str], str]]:
    place = PLACES[role["metadata"].get("namespace", "")]
    return [
        (
            place,
            sorted(
                f"{resource}/{name}" if name else resource
                for resource in rule["resources"]
                for name in rule.get("resourceNames", [""])
            ),
            ", ".join(rule["verbs"]),
        )
        for rule in role["rules"]
    ]


def test_the_page_lists_every_right_of_the_service() -> None:
    roles = [one for one in manifests() if one["kind"] in ("Role", "ClusterRole")]
    rows = [
        (where, sorted(re.findall("`([^`]+)`", objects)), rights)
        for where, objects, rights in _ROW.findall(PAGE.read_text())
    ]

    assert sorted(rows) == sorted(right for role in roles for right in granted(role))
