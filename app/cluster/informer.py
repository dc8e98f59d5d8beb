"""Informers: a list, then a watch that is resumed as long as the API server remembers its
version."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from app.cluster.api import (
    ApiError,
    Content,
    GoneError,
    KubeApi,
    NotFoundError,
    is_unanswered,
)

logger = logging.getLogger("registry_admission.informer")

_WATCH_SECONDS = (240, 300)


@dataclass(frozen=True)
class RetryDelays:
    """When to try again after a failure. All times are in seconds."""

    first: float = 0.2
    longest: float = 15.0
    unanswered: float = 1.0
    """Longest pause while nothing responds. It is short, so that recovery is noticed soon."""
    short: float = 1.0
    """A watch that ends sooner counts as a failure."""

    def pause(self, failures: int, error: Exception) -> float:
        """Double the pause with each failure, at random so that replicas do not ask together."""
        longest = self.unanswered if is_unanswered(error) else self.longest
        return min(longest, self.first * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)


class Failures:
    """Counts failures in a row. Failures without an answer and refusals are counted apart: the
    first refusal of an API server that starts again is not the last of many."""

    def __init__(self, delays: RetryDelays) -> None:
        self._delays = delays
        self._count = 0
        self._unanswered = False

    def pause(self, error: Exception) -> float:
        """Seconds to wait after a further failure."""
        if is_unanswered(error) != self._unanswered:
            self._count, self._unanswered = 0, not self._unanswered
        self._count += 1
        return self._delays.pause(self._count, error)

    def end(self) -> None:
        """Start again from zero after a success."""
        self._count = 0


Key = tuple[str, str]
"""(namespace, name)"""


class Store(Protocol):
    """The store that an informer fills. Objects have the form of the API, always with metadata."""

    def put(self, key: Key, content: Content) -> None: ...

    def remove(self, key: Key) -> None: ...

    def retain(self, keys: set[Key]) -> None:
        """Forget every object except these."""


class Informer:
    """Keeps a store up to date with one resource.

    The store is not trusted before the first list is complete, nor after `silence` seconds without
    an event: the API server sends a bookmark at least every minute. Then the resource is listed
    again, however many watches were opened meanwhile.
    """

    def __init__(
        self,
        api: KubeApi,
        path: str,
        name: str,
        store: Store,
        *,
        silence: float,
        clock: Callable[[], float] = time.time,
        select: str = "",
        optional: bool = False,
        only: str = "",
        delays: RetryDelays = RetryDelays(),
    ) -> None:
        """`select` is a label selector; `only` is the name of a single object to watch.

        `optional`: an API that is not installed counts as an empty list.
        """
        self._api = api
        self._path = path
        self.name = name
        self._store = store
        self._silence = silence
        self._clock = clock
        self._optional = optional
        self._query = {"labelSelector": select} if select else {}
        if only:
            self._query["fieldSelector"] = f"metadata.name={only}"
        self._delays = delays
        self._bound: asyncio.Timeout | None = None
        self._reopening = False
        self._version = ""
        self._heard_at: float | None = None
        self._problem = "not listed yet"
        self.synced = asyncio.Event()

    @property
    def position(self) -> int:
        """The `resourceVersion` up to which every change is in the store.

        A `resourceVersion` is a number that grows with each change (Kubernetes API concepts).
        """
        return int(self._version or 0)

    def problem(self) -> str | None:
        """Why the store must not be trusted now; None if it may be."""
        if self._heard_at is None:
            return f"{self.name}: {self._problem}"
        silent = self._silent(self._heard_at)
        if silent > self._silence:
            return f"{self.name}: no event for {silent:.0f} s ({self._problem})"
        return None

    def _silent(self, heard_at: float) -> float:
        """Seconds since the last event; 0 if the clock was set back."""
        return max(0.0, self._clock() - heard_at)

    async def run(self) -> None:
        """List and watch until cancelled."""
        failures = Failures(self._delays)
        while True:
            try:
                if not self._version:
                    await self.load()
                started = time.monotonic()
                try:
                    await self._watch()
                finally:
                    # A watch that was open for some time ends a series of failures, whatever ended
                    # the watch.
                    held = time.monotonic() - started >= self._delays.short
                    if held:
                        failures.end()
                if not held:
                    raise ApiError(0, "the API server ended the watch at once")
            except GoneError as error:
                self._version = ""
                await asyncio.sleep(failures.pause(error))
            except TimeoutError:
                if self._reopening:
                    self._reopening = False
                    logger.warning("watch reopened", extra={"resource": self.name})
                    continue
                logger.warning("watch is silent", extra={"resource": self.name})
                self._version, self._problem = "", f"no event for {self._silence:g} s"
            except ApiError as error:
                self._report(error)
                await asyncio.sleep(failures.pause(error))
            except Exception as error:
                # An event that cannot be applied must neither end the service nor be skipped.
                logger.exception("event not applied", extra={"resource": self.name})
                # The text of the error may have names of objects, and everybody may read /readyz.
                self._problem = f"{type(error).__name__} at an event; the log says more"
                self._version, self._heard_at = "", None
                await asyncio.sleep(failures.pause(error))

    def reopen(self) -> None:
        """Open the watch again at its present version: the connection may be dead but not
        closed."""
        if self._bound is not None and not self._reopening:
            self._reopening = True
            self._bound.reschedule(asyncio.get_running_loop().time())

    async def load(self) -> None:
        """List all pages; an incomplete list is not trusted. Raises ApiError.

        If it is called before `run`, the watch continues from there.
        """
        self._heard_at = None
        keys: set[Key] = set()
        metadata: Content = {}
        async with aclosing(self._api.pages(self._path, self._query)) as pages:
            async for page in pages:
                metadata = page["metadata"]
                for content in page.get("items") or []:
                    key = _key(content)
                    keys.add(key)
                    self._store.put(key, content)
        self._store.retain(keys)
        self._version = metadata["resourceVersion"]
        self._heard()
        self.synced.set()
        logger.info("listed", extra={"resource": self.name, "objects": len(keys)})

    async def _watch(self) -> None:
        """Watch until the API server ends the watch.

        Raises TimeoutError after too long a silence, counted across watches: a watch that ends
        without an event, or a connection that stays open, proves nothing.
        """
        query = {
            **self._query,
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(*_WATCH_SECONDS)),
        }
        now = asyncio.get_running_loop().time
        left = self._silence - self._silent(self._heard_at or 0.0)
        if left <= 0:
            raise TimeoutError
        async with (
            asyncio.timeout(left) as bound,
            aclosing(self._api.watch(self._path, query)) as events,
        ):
            self._bound, self._reopening = bound, False
            try:
                async for event in events:
                    self._apply(event["type"], event["object"])
                    self._reopening = False
                    bound.reschedule(now() + self._silence)
            finally:
                self._bound = None

    def _apply(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "ERROR":
            status = int(content.get("code") or 0)
            error = GoneError if status == 410 else ApiError
            raise error(status, f"watch of {self.name}: {content.get('message')}")
        self._version = content["metadata"]["resourceVersion"]
        self._heard()
        if kind in ("ADDED", "MODIFIED"):
            self._store.put(_key(content), content)
        elif kind == "DELETED":
            self._store.remove(_key(content))

    def _heard(self) -> None:
        self._heard_at = self._clock()
        self._problem = "the watch is open"

    def _report(self, error: ApiError) -> None:
        missing = isinstance(error, NotFoundError)
        self._problem = "the API is not installed" if missing else str(error)
        if missing:
            self._version, self._heard_at = "", None
        if missing and self._optional:
            self._store.retain(set())
            self._heard()
            self.synced.set()
            return
        logger.warning("watch failed", extra={"resource": self.name, "problem": self._problem})


def _key(content: Content) -> Key:
    metadata = content["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
