"""The README is short, and every file and command in it exists."""

import re
from pathlib import Path

import pytest

from app.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md", "certs/README.md")
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page: Path) -> set[str]:
    """The anchors of the headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    broken = []
    for path, anchor in _LINK.findall((ROOT / page).read_text()):
        if path.startswith("https://"):
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}")
    assert broken == []


def test_commands_of_the_readme_are_those_of_the_program() -> None:
    table = (ROOT / "README.md").read_text().partition("## Commands")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+)(?: make)?`", table))
    helpers = {"completion", "version"}
    assert named == set(main.list_commands(None)) - helpers  # type: ignore[arg-type]
