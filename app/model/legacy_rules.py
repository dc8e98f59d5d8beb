"""Reads the YAML of the legacy gateway's `rules`, bounded and without surprises.

Every scalar is text: no value becomes a date or an octal number. An unquoted null is None. Anchors
and merge keys (`<<`) mean what they mean to the gateway.
"""

from typing import Any

import yaml

from app.model.errors import UnusableError

RULES = "rules"

_MAX_TEXT = 256 * 1024
_MAX_DEPTH = 8
_MAX_NODES = 65_536
_MAX_KEY = 40
"""Characters of a key that a message shows."""
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_MERGE = "<<"


class LegacyConfigError(UnusableError, ValueError):
    """Data that the gateway's ConfigMap must not hold. The text names keys and indexes of rules."""


def read(text: str, problems: list[str]) -> Any:
    """The content of YAML: None, text, lists, and mappings from text.

    Adds keys that stand twice to `problems`. Raises LegacyConfigError for text that is no YAML, or
    far from a list of rules.
    """
    if len(text) > _MAX_TEXT:
        raise LegacyConfigError(f"{RULES}: is longer than {_MAX_TEXT} characters")
    try:
        _check_depth(text)
        node = yaml.compose(text, Loader=yaml.CBaseLoader)
    except (yaml.YAMLError, UnicodeError) as error:
        problem = " ".join(str(error).split())
        raise LegacyConfigError(f"{RULES}: is not YAML: {problem}") from None
    return None if node is None else _Nodes(problems).value(node, RULES, _MAX_DEPTH)


def _check_depth(text: str) -> None:
    """Deep nesting makes the parser quadratic."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CBaseLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH or count > _MAX_NODES:
            raise _no_plain_list()


def _no_plain_list() -> LegacyConfigError:
    return LegacyConfigError(f"{RULES}: is no plain list of {{path, limit}}")


class _Nodes:
    """Nodes of a document as content; aliases repeat nodes, so the nodes are counted."""

    def __init__(self, problems: list[str]) -> None:
        self._problems = problems
        self._count = 0

    def value(self, node: yaml.Node, path: str, depth: int) -> Any:
        self._count += 1
        if depth == 0 or self._count > _MAX_NODES:
            raise _no_plain_list()
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return [self.value(item, f"{path}[{index}]", depth - 1) for index, item in items]
        is_null = isinstance(node, yaml.ScalarNode) and not node.style and node.value in _NULLS
        return None if is_null else node.value

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise LegacyConfigError(f"{path}: is not YAML: a key must be text")
            if key.value == _MERGE and not key.style:
                sources = item.value if isinstance(item, yaml.SequenceNode) else [item]
                for source in sources:
                    for name, content in self._merged(source, path, depth).items():
                        merged.setdefault(name, content)
            elif key.value in own:
                self._problems.append(f"{path}.{key.value[:_MAX_KEY]}: stands twice")
            else:
                own[key.value] = self.value(item, f"{path}.{key.value[:_MAX_KEY]}", depth - 1)
        return merged | own

    def _merged(self, source: yaml.Node, path: str, depth: int) -> dict[str, Any]:
        if not isinstance(source, yaml.MappingNode):
            raise LegacyConfigError(f"{path}.{_MERGE}: must be a mapping")
        merged: dict[str, Any] = self.value(source, path, depth - 1)
        return merged
