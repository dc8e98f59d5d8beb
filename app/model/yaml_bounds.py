"""Bounds for YAML text, checked before it is composed: libyaml's composer recurses without limit.

JSON is YAML too, so that the same bounds apply.
"""

from typing import Any

import yaml

MAX_DEPTH = 100
"""Nested lists and maps. Objects of Kubernetes have a few dozen levels."""
MAX_ALIASED = 100_000
"""Values that the aliases of one document may add to the written ones."""


class YamlBoundsError(yaml.MarkedYAMLError):
    """YAML that nests too deeply, or whose aliases add too many values."""


def require_bounds(text: str) -> None:
    """Raises YamlBoundsError, or another YAMLError for text that is not YAML."""
    anchors: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    nodes = aliased = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.DocumentStartEvent):
            anchors, nodes, aliased = {}, 0, 0
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in opened):
                raise _error(event, "an alias is inside of its own anchor")
            size = anchors.get(event.anchor or "", 0)
            nodes += size
            aliased += size
            if aliased > MAX_ALIASED:
                raise _error(event, f"aliases add more than {MAX_ALIASED} values")
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
            if event.anchor:
                anchors[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, nodes))
            nodes += 1
            if len(opened) > MAX_DEPTH:
                raise _error(event, f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                anchors[anchor] = nodes - before


def line_of(error: yaml.MarkedYAMLError, text: str) -> int:
    """The line of the problem in `text`, from 1. At the end of the text it is the last line."""
    mark = error.problem_mark or error.context_mark
    return max(min(mark.line + 1, len(text.splitlines())), 1) if mark else 1


def _error(event: yaml.Event, problem: str) -> YamlBoundsError:
    mark: Any = event.start_mark
    return YamlBoundsError(problem=problem, problem_mark=mark)
