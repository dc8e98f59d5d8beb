"""What the documents claim is proved by tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")
DOCUMENTS = [path for path in sorted((ROOT / "docs").glob("*.md")) if "::test_" in path.read_text()]


def functions_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    named = REFERENCE.findall(document.read_text())

    assert len(named) == document.read_text().count("::test_")
    assert [
        f"{path}::{name}" for path, name in named if name not in functions_of(ROOT / path)
    ] == []
