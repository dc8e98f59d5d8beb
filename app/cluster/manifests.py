"""Reading Kubernetes manifests from files, with the line that a problem is on."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from app.model.base import KubeObject
from app.model.errors import UnusableError

STANDARD_INPUT = Path("-")
SUFFIXES = frozenset({".yaml", ".yml", ".json"})

Model = TypeVar("Model", bound=KubeObject)


class ManifestError(UnusableError):
    """A file that cannot be used; the text is `file:line: what is wrong`."""


@dataclass(frozen=True)
class Manifest:
    """One document of a file."""

    path: Path
    node: yaml.Node
    content: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.content.get("kind", ""))

    @property
    def api_version(self) -> str:
        return str(self.content.get("apiVersion", ""))

    @property
    def line(self) -> int:
        """Where it begins in its file."""
        return int(self.node.start_mark.line) + 1

    def parse(self, model: type[Model]) -> Model:
        """Raises ManifestError that names the field and its line."""
        try:
            return model.model_validate(self.content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            line = _line(self.node, first["loc"])
            raise ManifestError(f"{self.path}:{line}: {field}: {first['msg']}") from None


def files(folder: Path) -> list[Path]:
    """Every manifest below a folder, in a stable order; what is hidden is passed over.

    A mounted ConfigMap keeps its versions in hidden folders, and links to the present one.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in SUFFIXES and path.is_file() and not _is_hidden(path.relative_to(folder))
    )


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def read(path: Path) -> Iterator[Manifest]:
    """The objects of a YAML or JSON file, `-` for standard input; a `List` counts as its items.

    Raises ManifestError for text that is not YAML or an object that is not one.
    """
    try:
        content = sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}:1: {error}") from None
    yield from read_text(text, Path("stdin") if path == STANDARD_INPUT else path)


def read_text(text: str, path: Path) -> Iterator[Manifest]:
    """The same for text that is at hand; problems name it by `path`."""
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            content = loader.construct_document(node)
            if node is not None and content is not None:
                yield from _objects(path, node, content)
    except yaml.constructor.ConstructorError as error:
        # PyYAML quotes the tag, which may be a Secret's value that begins with `!`.
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        text = "not plain YAML: text that begins with ! has to be in quotes"
        raise ManifestError(f"{path}:{line}: {text}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line + 1, len(text.splitlines())) if mark else 1
        raise ManifestError(f"{path}:{line}: {error.problem or error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ManifestError(f"{path}:1: {error}") from None
    finally:
        loader.dispose()


def _objects(path: Path, node: yaml.Node, content: Any) -> Iterator[Manifest]:
    if not isinstance(content, dict) or not content.get("kind"):
        line = node.start_mark.line + 1
        raise ManifestError(f"{path}:{line}: not a Kubernetes object: it has no kind")
    items = content.get("items")
    if content["kind"] == "List" and isinstance(items, list):
        nodes = _child(node, "items")
        for index, item in enumerate(items):
            item_node = _child(nodes, index) if nodes else None
            yield from _objects(path, item_node or node, item)
    else:
        yield Manifest(path, node, content)


def _line(node: yaml.Node, location: tuple[int | str, ...]) -> int:
    """The line of the deepest node on the way to a field that exists in the file."""
    for step in location:
        child = _child(node, step)
        if child is None:
            break
        node = child
    return node.start_mark.line + 1


def _child(node: yaml.Node, step: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        child: yaml.Node = node.value[step]
        return child
    return None
