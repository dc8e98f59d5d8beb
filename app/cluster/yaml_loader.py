"""YAML as kubectl reads it, which turns it into JSON.

kubectl reads YAML with goyaml.v2 of sigs.k8s.io/yaml. PyYAML reads unquoted text differently:
`2026-01-01` is a date, `1:30` is a number of seconds, and `1e3` is text.
"""

import base64
import math
import re
from typing import Any

import yaml

_PREFIX = "tag:yaml.org,2002:"
_TRUE = "y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON"
_FALSE = "n|N|no|No|NO|false|False|FALSE|off|Off|OFF"
_RESOLVERS = {
    "null": ("~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (f"{_TRUE}|{_FALSE}", list("yYnNtTfFoO")),
    "int": (
        r"[-+]?(?:0[bB][01_]+|0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]*|[1-9][0-9_]*)",
        list("-+0123456789"),
    ),
    "float": (
        r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    "merge": ("<<", ["<"]),
}


class Loader(yaml.CSafeLoader):
    """Builds what JSON can hold: maps with text keys, lists, text, numbers, booleans and null."""

    def number(self, node: yaml.ScalarNode) -> int | float | str:
        """A whole number is an int, as in the JSON that kubectl sends."""
        text = node.value.replace("_", "")
        try:
            return int(re.sub(r"^([-+]?)0(?=[0-7])", r"\g<1>0o", text), 0)
        except ValueError:
            return self._float(node, text)

    def _float(self, node: yaml.ScalarNode, text: str) -> int | float | str:
        try:
            value = float(text)
        except ValueError:  # .inf and .nan
            raise _error(node, f"JSON has no number {node.value}") from None
        if math.isinf(value):  # too large for a number
            return str(node.value)
        return int(value) if value.is_integer() else value

    def binary(self, node: yaml.ScalarNode) -> str:
        try:
            return base64.b64decode(node.value, validate=False).decode(errors="replace")
        except ValueError as error:
            raise _error(node, f"not base64: {error}") from None

    def mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        self.flatten_mapping(node)
        return {
            _key(self, key): self.construct_object(value, deep=True) for key, value in node.value
        }

    def sequence(self, node: yaml.SequenceNode) -> list[Any]:
        return self.construct_sequence(node, deep=True)

    def unknown(self, node: yaml.Node) -> Any:
        # The error does not quote the tag: it may be a Secret's value that begins with `!`.
        raise _error(node, "not plain YAML: text that begins with ! has to be in quotes")


def _key(loader: Loader, node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _error(node, "a key has to be text")
    value = loader.construct_object(node)
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def _error(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


# Replace the tables of PyYAML.
Loader.yaml_implicit_resolvers = {}
Loader.yaml_constructors = {}
for _name, (_pattern, _first) in _RESOLVERS.items():
    Loader.add_implicit_resolver(_PREFIX + _name, re.compile(f"(?:{_pattern})$"), _first)
Loader.add_constructor(_PREFIX + "null", lambda _loader, _node: None)
Loader.add_constructor(_PREFIX + "bool", lambda _loader, node: node.value in _TRUE.split("|"))
Loader.add_constructor(_PREFIX + "int", Loader.number)
Loader.add_constructor(_PREFIX + "float", Loader.number)
for _name in ("str", "timestamp"):
    Loader.add_constructor(_PREFIX + _name, lambda _loader, node: node.value)
Loader.add_constructor(_PREFIX + "binary", Loader.binary)
Loader.add_constructor(_PREFIX + "map", Loader.mapping)
Loader.add_constructor(_PREFIX + "seq", Loader.sequence)
Loader.add_constructor(None, Loader.unknown)
