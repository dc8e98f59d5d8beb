"""Reads Kubernetes manifests from files, and knows the line of each problem."""

import codecs
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from app.cluster.yaml_loader import Loader
from app.model.base import KubeObject
from app.model.errors import UnusableError, file_problem
from app.model.nesting import is_deeper_than
from app.model.yaml_bounds import MAX_DEPTH, line_of, require_bounds

STANDARD_INPUT = Path("-")
MAX_BYTES = 64 * 2**20
SUFFIXES = frozenset({".yaml", ".yml", ".json"})

_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml"})
"""File names of kustomize, whose content may have no kind."""
_JSON_OBJECT = re.compile(r"\s*\{")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

Model = TypeVar("Model", bound=KubeObject)


class ManifestError(UnusableError):
    """A file that cannot be used. The text is `file:line: what is wrong`."""


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
        """The line in the file where the document begins."""
        return int(self.node.start_mark.line) + 1

    @property
    def place(self) -> str:
        """`file:line` of the beginning."""
        return f"{self.path}:{self.line}"

    def parse(self, model: type[Model]) -> Model:
        """Parse the object. Raises ManifestError that names the field and its line."""
        try:
            return model.model_validate(self.content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"]))
            line = _line(self.node, first["loc"])
            raise ManifestError(f"{self.path}:{line}: {field}: {first['msg']}") from None


def files(folder: Path) -> list[Path]:
    """All manifests below a folder, in a stable order; hidden files are skipped.

    A mounted ConfigMap keeps its versions in hidden folders and links to the present one. A path
    that is no folder is returned itself.
    """
    if not folder.is_dir():
        return [folder]
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in SUFFIXES and path.is_file() and not _is_hidden(path.relative_to(folder))
    )


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def displayed(path: Path) -> Path:
    """How messages name the file; `-` is `stdin`."""
    return Path("stdin") if path == STANDARD_INPUT else path


def listed(paths: Iterable[Path]) -> str:
    """How messages name several files."""
    return ", ".join(str(displayed(path)) for path in paths)


def files_of(path: Path) -> list[Path]:
    """The manifests of a file or folder that a user names; `-` is standard input.

    Raises ManifestError for a path that does not exist and for a folder without a manifest.
    """
    if path != STANDARD_INPUT and not path.exists():
        raise ManifestError(f"{path} does not exist")
    found = files(path)
    if not found:
        raise ManifestError(f"{path}: there is no manifest in this folder")
    return found


def read_named(paths: Iterable[Path]) -> Iterator[Manifest]:
    """The objects of files and folders that a user names. Raises ManifestError.

    A file without an object is an error, because the command that wrote it may have failed.
    """
    for file in chain.from_iterable(map(files_of, paths)):
        is_empty = True
        for manifest in read(file):
            is_empty = False
            yield manifest
        if is_empty:
            raise ManifestError(f"{displayed(file)}:1: there is no object in this file")


def read_all(paths: Iterable[Path]) -> Iterator[Manifest]:
    """The objects of files and folders, in order; `-` is standard input. Raises ManifestError."""
    for file in chain.from_iterable(map(files, paths)):
        yield from read(file)


def read(path: Path, max_bytes: int = MAX_BYTES) -> Iterator[Manifest]:
    """The objects of a YAML or JSON file as kubectl reads them; `-` is standard input.

    A list counts as its items. Raises ManifestError for text that is neither YAML nor JSON, nests
    too deeply or is too long, and for content that is no Kubernetes object.
    """
    yield from read_text(text_of(path, max_bytes), displayed(path))


def text_of(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The text of a file in UTF-8 or UTF-16; `-` is standard input. Raises ManifestError."""
    shown = displayed(path)
    try:
        if path == STANDARD_INPUT:
            content = sys.stdin.buffer.read(max_bytes + 1)
        else:
            with path.open("rb") as file:
                content = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise ManifestError(f"{shown}:1: larger than {max_bytes // 2**20} MiB")
        return content.decode(_encoding(content))
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{shown}:1: {file_problem(error)}") from None


def read_text(text: str, path: Path) -> Iterator[Manifest]:
    """The objects of a text. Problems name it by `path`."""
    for node, document in _documents(text, path):
        yield from _objects(path, node, document)


def _encoding(content: bytes) -> str:
    """The encoding by the byte order mark, which Windows writes."""
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16" if utf16 else "utf-8-sig"


def _documents(text: str, path: Path) -> Iterator[tuple[yaml.Node, Any]]:
    """The documents: JSON objects first; from the first text that is not JSON, YAML."""
    decoder, end = json.JSONDecoder(), 0
    while (found := _JSON_OBJECT.match(text, end)) is not None:
        start = found.end() - 1
        try:
            content, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            break
        lines = "\n" * text.count("\n", 0, start)
        if is_deeper_than(content, MAX_DEPTH):
            line = len(lines) + 1
            raise ManifestError(f"{path}:{line}: nested deeper than {MAX_DEPTH} levels")
        yield _node(lines + text[start:end]), _without_surrogates(content, text[start:end])
    yield from _yaml_documents("\n" * text.count("\n", 0, end) + text[end:], path)


def _node(text: str) -> yaml.Node:
    """The node of a JSON text. Its parts have no lines if the text is not valid YAML: `\\ud83d` is
    not."""
    line = len(text) - len(text.lstrip())
    nowhere = yaml.ScalarNode("", "", yaml.Mark("", 0, line, 0, "", 0))
    try:
        return yaml.compose(text, Loader) or nowhere
    except yaml.YAMLError:
        return nowhere


def _without_surrogates(content: Any, text: str) -> Any:
    """Replace half surrogate pairs by U+FFFD, as Go does: JSON may hold them, no encoding can."""
    if not _SURROGATE.search(text):
        return content
    units = json.dumps(content, ensure_ascii=False).encode("utf-16", "surrogatepass")
    return json.loads(units.decode("utf-16", "replace"))


def _yaml_documents(text: str, path: Path) -> Iterator[tuple[yaml.Node, Any]]:
    try:
        require_bounds(text)
        loader = Loader(text)
        while loader.check_node():
            node = loader.get_node()
            content = loader.construct_document(node)
            if node is not None and content is not None:
                yield node, content
    except yaml.MarkedYAMLError as error:
        raise ManifestError(f"{path}:{line_of(error, text)}: {error.problem or error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ManifestError(f"{path}:1: {error}") from None


def to_text(content: dict[str, Any]) -> str:
    """An object as YAML."""
    text: str = yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False)
    return text


def _objects(path: Path, node: yaml.Node, content: Any) -> Iterator[Manifest]:
    if isinstance(content, dict) and path.name in _KUSTOMIZATIONS:
        content = {"kind": "Kustomization", **content}
    if not isinstance(content, dict) or not content.get("kind"):
        line = node.start_mark.line + 1
        raise ManifestError(f"{path}:{line}: not a Kubernetes object: it has no kind")
    items = content.get("items")
    if isinstance(items, list) or (items is None and "items" in content):
        nodes = _child(node, "items")
        for index, item in enumerate(items or ()):
            item_node = _child(nodes, index) if nodes else None
            yield from _objects(path, item_node or node, _of_list(content, item))
    else:
        yield Manifest(path, node, content)


def _of_list(content: dict[str, Any], item: Any) -> Any:
    """An item of a list with a kind, which the API server leaves out in a `LimitRangeList`."""
    kind = str(content["kind"]).removesuffix("List")
    if not isinstance(item, dict) or not kind:
        return item
    return {"apiVersion": content.get("apiVersion"), "kind": kind, **item}


def _line(node: yaml.Node, location: tuple[int | str, ...]) -> int:
    """The line of the deepest node on the path to a field."""
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
