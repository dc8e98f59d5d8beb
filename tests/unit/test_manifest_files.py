"""Files are read as kubectl reads them."""

from pathlib import Path
from typing import Any

import pytest

from app.cluster import manifests
from app.cluster.manifests import ManifestError
from tests.unit.manifest_texts import FILES, SCALARS

OBJECT = "apiVersion: example.com/v1\nkind: Thing\nspec: {value: %s}\n"


def read(file: Path, content: bytes) -> list[dict[str, Any]]:
    file.write_bytes(content)
    return [manifest.content for manifest in manifests.read(file)]


@pytest.mark.parametrize("text", SCALARS)
def test_unquoted_text_has_the_value_that_kubectl_sends(tmp_path: Path, text: str) -> None:
    [found] = read(tmp_path / "thing.yaml", (OBJECT % text).encode())
    value, expected = found["spec"]["value"], SCALARS[text]
    assert (type(value), value) == (type(expected), expected)


@pytest.mark.parametrize(
    ("suffix", "content", "objects"), [row[1:] for row in FILES], ids=[row[0] for row in FILES]
)
def test_a_file_has_the_objects_that_kubectl_finds(
    tmp_path: Path, suffix: str, content: bytes, objects: list[dict[str, Any]]
) -> None:
    assert read(tmp_path / f"thing.{suffix}", content) == objects


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (OBJECT % ".inf", 3, "JSON has no number .inf"),
        (OBJECT % "!secret ", 3, "text that begins with ! has to be in quotes"),
        (OBJECT % "!!set {a}", 3, "text that begins with ! has to be in quotes"),
        (OBJECT % "{? [a] : b}", 3, "a key has to be text"),
        (OBJECT % "!!binary a", 3, "not base64"),
        (OBJECT % "!!binary é", 3, "not base64"),
        ("\n\n{apiVersion: v1}", 3, "it has no kind"),
        ('{"kind": "A"}\n{"kind": ', 2, "did not find expected"),
        ("[" * 100_000, 1, "nested deeper than 100 levels"),
        ('{"a":' * 100_000, 1, "nested deeper than 100 levels"),
        ("- " * 100_000, 1, "nested deeper than 100 levels"),
        (f'{{"kind": "A"}}\n{{"kind": "B", "a": {"[" * 100}{"]" * 100}}}', 2, "nested deeper"),
        ("\n".join(f"{' ' * depth}a:" for depth in range(1200)), 101, "nested deeper than 100"),
    ],
)
def test_objects_that_no_api_server_accepts_are_named_with_their_line(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    file = tmp_path / "thing.yaml"
    with pytest.raises(ManifestError) as caught:
        read(file, text.encode())
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert problem in str(caught.value)


def test_json_objects_are_found_on_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "things.json"
    file.write_text(
        '{"kind": "A"}\n\n{"kind": "B", "text": "\\ud83d"}\n{"kind": "C"}\n---\nkind: D'
    )
    places = [manifest.place for manifest in manifests.read(file)]
    assert places == [f"{file}:{line}" for line in (1, 3, 4, 6)]


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml"])
def test_a_kustomization_needs_no_kind(tmp_path: Path, name: str) -> None:
    assert read(tmp_path / name, b"resources: [limits.yaml]") == [
        {"kind": "Kustomization", "resources": ["limits.yaml"]}
    ]
