"""The fenced blocks of a page, and what the comment before each says about it.

    <!-- run -->               its commands succeed, in a folder where the page's files are
    <!-- run: exit code 1 -->  the last one ends with that code
    <!-- run: serves -->       it serves until the page ends
    <!-- prints -->            the command before printed each line of this block
    <!-- needs a cluster -->   it runs in tests/e2e, on an API server without nodes
    <!-- needs a cluster: exit code 1 -->  the last one ends with that code there
    <!-- needs a cluster: goes on -->      it prints something there, and goes on
    <!-- needs a node -->      it needs Pods that run; tests/node runs those of install.md
    <!-- needs a registry -->  its commands are known, with their flags
    <!-- not run: … -->        and why not

A block with a `title` is a file of that name.
"""

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+) -->\n)?"
    r"^```(?P<language>\w+)(?P<info>[^\n]*)\n(?P<content>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    mark: str
    language: str
    title: str
    content: str

    @property
    def commands(self) -> list[str]:
        """One line each, without what is piped or redirected further."""
        return self.content.replace("\\\n", " ").splitlines()


def blocks(page: Path) -> list[Block]:
    return [
        Block(
            found["mark"] or "",
            found["language"],
            title[1] if (title := _TITLE.search(found["info"])) else "",
            found["content"],
        )
        for found in _BLOCK.finditer(page.read_text())
    ]


PAGES = [DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md"))]
