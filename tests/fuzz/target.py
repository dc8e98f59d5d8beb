"""The type of a fuzz target, and mutations of its inputs."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

CORPUS = Path(__file__).parent / "corpus"

_ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 2**64, 10**30, 0.5, 1e308, "", "a" * 300, "\n", "\x00", "\ud800",
    "é", "sha256:", "/", ":", "@", "{}", [], [[]], {}, {"": ""}, "1e999", "-0", "1Ki", "100m",
)  # fmt: skip
_ODD_BYTES = (b"\x00", b"\xff", b"/", b"..", b"%2f", b"%", b"\n", b"e9", b"Ki", b"(", b"*", b"{9}")

Mutate = Callable[[bytes, Random], bytes]


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """Cut, double, replace or insert bytes at a random place."""
    content = bytearray(data)
    for _ in range(random.randint(1, 4)):
        start = random.randint(0, len(content))
        end = min(len(content), start + random.randint(0, 8))
        part = content[start:end]
        content[start:end] = random.choice((b"", part * 2, random.choice(_ODD_BYTES)))
    return bytes(content)


def mutate_json(data: bytes, random: Random) -> bytes:
    """Change values and keys of a document, so that the result is mostly a document as well."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_bytes(data, random)
    places = list(_places(document))
    for _ in range(random.randint(1, 3) if places else 0):
        parent, key = random.choice(places)
        _change(parent, key, random.choice(places), random)
    # Lone surrogates stay escaped, as in a request.
    return json.dumps(document).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys."""
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _change(parent: Any, key: Any, other: tuple[Any, Any], random: Random) -> None:
    try:
        match random.randrange(5):
            case 0:
                del parent[key]
            case 1:
                # A copy, so that no document contains itself.
                parent[key] = json.loads(json.dumps(other[0][other[1]]))
            case 2 if isinstance(parent, dict):
                parent[str(key).swapcase()] = parent[key]
            case 3 if isinstance(parent[key], str) and parent[key]:
                text = parent[key].encode(errors="surrogatepass")
                parent[key] = mutate_bytes(text, random).decode(errors="replace")
            case _:
                parent[key] = random.choice(_ODD_VALUES)
    except (KeyError, IndexError):
        return  # An earlier change removed it.


@dataclass(frozen=True)
class Target:
    """A function whose assertions hold for all bytes, and seeds."""

    name: str
    check: Callable[[bytes], None]
    """Raises AssertionError, or another exception, for an input that is handled wrongly."""
    seeds: tuple[bytes, ...]
    mutate: Mutate = mutate_bytes

    @property
    def folder(self) -> Path:
        return CORPUS / self.name

    @property
    def findings(self) -> list[bytes]:
        """Inputs that were handled wrongly in the past."""
        return [path.read_bytes() for path in sorted(self.folder.glob("*"))]
