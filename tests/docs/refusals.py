"""The texts of refusals and warnings, read from the source code."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

APP = Path(__file__).parents[2] / "app"
_SHORTEST = 10
"""Smallest length of a piece of text that identifies a message."""
_CALLS = {
    "deny": 0,
    "exceed": 0,
    "check_choice": 1,
    "check_at_least_zero": 1,
    "hold": 0,
    "_failure": 2,
}
"""Functions with a reason among their arguments, and the position of the reason."""


@dataclass(frozen=True)
class Refusal:
    reason: str
    pieces: tuple[str, ...]
    """The fixed parts of its message and next step."""


def refusals() -> Iterator[Refusal]:
    """Every reason with which the code refuses a request."""
    for node in _nodes():
        match node:
            case ast.Call(args=arguments) if _called(node) in _CALLS:
                place = _CALLS[_called(node)]
                texts = [piece for text in arguments[place + 1 :] for piece in _pieces(text)]
                for reason in _strings(arguments[place]):
                    yield Refusal(reason, tuple(texts))
            case ast.Yield(value=ast.Tuple(elts=[ast.Constant(value=str(reason)), text])) if reason[
                :1
            ].isupper():
                yield Refusal(reason, tuple(_pieces(text)))


def warnings() -> Iterator[str]:
    """Every piece of a warning's text."""
    for node in _nodes():
        if isinstance(node, ast.Call) and _called(node) == "warn" and node.args:
            yield from _pieces(node.args[0])


def unresolved() -> Iterator[str]:
    """Reasons that the code assembles at run time, so a search of the source misses them."""
    for node in _nodes():
        if isinstance(node, ast.Call) and _called(node) in _CALLS:
            reason = node.args[_CALLS[_called(node)]]
            if isinstance(reason, ast.JoinedStr):
                yield ast.unparse(node)


def _nodes() -> Iterator[ast.AST]:
    for path in sorted(APP.rglob("*.py")):
        if "diagnosis" not in path.parts:
            yield from ast.walk(ast.parse(path.read_text()))


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _strings(node: ast.expr) -> Iterator[str]:
    """The texts in an expression, and those of the constants that it names."""
    for found in ast.walk(node):
        match found:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Name(id=name) if name in _constants():
                yield _constants()[name]


@cache
def _constants() -> dict[str, str]:
    """The constants of all modules that are texts."""
    found: dict[str, str] = {}
    for node in _nodes():
        match node:
            case ast.Assign([ast.Name(id=name)], ast.Constant(value=str(text))) if name.isupper():
                found[name] = text
    return found


def _pieces(text: ast.expr) -> Iterator[str]:
    """The fixed parts of a text, without the expressions in it."""
    match text:
        case ast.Constant(value=str(piece)):
            if len(piece.strip()) >= _SHORTEST:
                yield " ".join(piece.split())
        case ast.JoinedStr(values=parts):
            for part in parts:
                yield from _pieces(part)
        case ast.IfExp(body=body, orelse=other):
            yield from _pieces(body)
            yield from _pieces(other)
