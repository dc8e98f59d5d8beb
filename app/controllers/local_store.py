"""A controller's view of one kind of object, by the key that the controller works with."""

import time
from collections.abc import Callable, ItemsView, KeysView
from typing import Generic, TypeVar

from app.cluster.api import Content
from app.cluster.informer import Key

View = TypeVar("View")

_SHIELD = 10.0
"""Seconds during which an older event does not replace our own write."""


class LocalStore(Generic[View]):
    """The store of an informer, which keeps only what is needed of each object.

    `wrote` shows our own writes at once, before the watch does.
    """

    def __init__(
        self,
        read: Callable[[Content], View | None],
        changed: Callable[[Key], None],
        key_of: Callable[[Key], Key] = lambda key: key,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read` returns None for an object that is not ours. `key_of` maps the key of an object to
        the key that the controller works with."""
        self._read = read
        self._changed = changed
        self._key_of = key_of
        self._clock = clock
        self._views: dict[Key, View] = {}
        self._written: dict[Key, tuple[int, float]] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._views

    def get(self, key: Key) -> View | None:
        return self._views.get(key)

    def items(self) -> ItemsView[Key, View]:
        return self._views.items()

    def keys(self) -> KeysView[Key]:
        return self._views.keys()

    def wrote(self, content: Content) -> None:
        """Take in the API server's response to our own write."""
        metadata = content["metadata"]
        key = self._key_of((metadata.get("namespace", ""), metadata["name"]))
        self._written[key] = (_version(content), self._clock() + _SHIELD)
        self._set(key, content)

    def put(self, key: Key, content: Content) -> None:
        key = self._key_of(key)
        version, until = self._written.pop(key, (0, 0.0))
        if _version(content) < version and self._clock() < until:
            self._written[key] = (version, until)
            return
        self._set(key, content)
        self._changed(key)

    def remove(self, key: Key) -> None:
        self._forget(self._key_of(key))

    def retain(self, keys: set[Key]) -> None:
        for key in self._views.keys() - {self._key_of(key) for key in keys}:
            self._forget(key)

    def _set(self, key: Key, content: Content) -> None:
        view = self._read(content)
        if view is None:
            self._views.pop(key, None)
        else:
            self._views[key] = view

    def _forget(self, key: Key) -> None:
        self._written.pop(key, None)
        self._views.pop(key, None)
        self._changed(key)


def _version(content: Content) -> int:
    """The `resourceVersion`, which grows with each write; a version that is no number counts as
    new."""
    text = content["metadata"].get("resourceVersion", "")
    return int(text) if text.isdecimal() else 2**63
