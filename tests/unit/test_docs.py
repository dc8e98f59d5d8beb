"""The files that the documentation names exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`((?:app|docs|manifests|tests|benchmarks)/[\w./-]+)`")
DOCUMENTS = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    named = NAMED.findall(document.read_text())

    assert [name for name in named if not (ROOT / name).exists()] == []
