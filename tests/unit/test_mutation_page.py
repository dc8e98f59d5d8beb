"""The page about mutation testing has every module that is mutated, and no other."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MODULE = re.compile(r"`([a-z]+/[a-z/_0-9]+\.py)`")


def mutated() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    folders = [ROOT / pattern.removesuffix("/*") for pattern in settings["only_mutate"]]
    return sorted(
        str(file.relative_to(ROOT / "app"))
        for folder in folders
        for file in folder.rglob("*.py")
        if file.name != "__init__.py"
    )


def test_every_mutated_module_is_listed_once() -> None:
    text = (ROOT / "docs" / "mutation.md").read_text()
    listed = [name for name in _MODULE.findall(text) if not name.startswith("tests/")]

    assert sorted(listed) == mutated()
