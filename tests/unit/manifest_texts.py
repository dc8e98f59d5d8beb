"""Texts of manifests, and the objects that kubectl reads in them.

`tests/e2e/test_files.py` compares every row with kubectl itself.
"""

import json
from typing import Any

SCALARS: dict[str, Any] = {
    "yes": True, "y": True, "N": False, "on": True, "~": None, "''": "",
    "=": "=", "1:30": "1:30", "190:20:30": "190:20:30",
    "2026-01-01": "2026-01-01", "2026-01-01T00:00:00Z": "2026-01-01T00:00:00Z",
    "1e3": 1000, "1E3": 1000, "+1e3": 1000, "0.1e3": 100, "1.5e": "1.5e", "1e400": "1e400",
    "017": 15, "-017": -15, "0o17": 15, "08": 8, "09.5": 9.5, "0x1F": 31, "0b11": 3, "-0": 0,
    "1_000": 1000, "_1": "_1", "1.": 1, ".5": 0.5, "-.5": -0.5, "1.50": 1.5, "+1": 1,
    "!!str 5": "5", "!!binary aGk=": "hi",
    "{2026-01-01: 1, 5: 2, true: 3, 1.5: 4}": {"2026-01-01": 1, "5": 2, "true": 3, "1.5": 4},
}  # fmt: skip
"""Unquoted YAML and its value in JSON."""


def _thing(name: str, **content: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}, **content}


def _json(name: str, **content: Any) -> str:
    return json.dumps(_thing(name, **content))


_LIST = "apiVersion: example.com/v1\nkind: ThingList\nitems: "

FILES: list[tuple[str, str, bytes, list[dict[str, Any]]]] = [
    ("a list whose items have no kind", "yaml", f"{_LIST}[{{metadata: {{name: a}}}}]\n".encode(),
     [_thing("a")]),
    ("a list of nothing", "yaml", f"{_LIST}null\n".encode(), []),
    ("a pair of escapes for one character", "json",
     _json("a", text="\U0001f433").encode("ascii"), [_thing("a", text="\U0001f433")]),
    ("half of such a pair", "json", b'{"apiVersion": "example.com/v1", "kind": "Thing", '
     b'"metadata": {"name": "a"}, "text": "\\ud83d"}', [_thing("a", text="\ufffd")]),
    ("UTF-16, little endian", "yaml", b"\xff\xfe" + _json("\u00e4").encode("utf-16-le"),
     [_thing("\u00e4")]),
    ("UTF-16, big endian", "yaml", b"\xfe\xff" + _json("a").encode("utf-16-be"), [_thing("a")]),
    ("UTF-8 with a byte order mark", "yaml", b"\xef\xbb\xbf" + _json("a").encode(), [_thing("a")]),
    ("JSON after JSON", "json", f"{_json('a')}{_json('b')}\n".encode(), [_thing("a"), _thing("b")]),
    ("JSON between lines of YAML", "json", f"{_json('a')}\n---\n{_json('b')}".encode(),
     [_thing("a"), _thing("b")]),
    ("JSON with a comma too many", "json", _json("a").replace('"}}', '",}}').encode(),
     [_thing("a")]),
    ("one key twice", "yaml", _json("a").replace('"name"', '"name": "b", "name"').encode(),
     [_thing("a")]),
    ("YAML in braces", "yaml", b"{apiVersion: example.com/v1, kind: Thing, metadata: {name: a}}",
     [_thing("a")]),
]  # fmt: skip
"""A name, the suffix of the file, its bytes and the objects in it."""
