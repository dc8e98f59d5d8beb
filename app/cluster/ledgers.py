"""Ledgers in the API server: one ConfigMap for each namespace, in the service's own namespace.

A Lease would be too small: it has room only in annotations, 256 KiB in all, and a busy namespace
has thousands of pushes in flight. Compare-and-swap is by `resourceVersion`.
"""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Callable

from app.cluster.api import ApiError, ConflictError, Content, KubeApi, NotFoundError
from app.cluster.informer import Key
from app.cluster.ledger_format import decode, encode
from app.quota.ledger import Ledger
from app.quota.state import StateUnavailableError
from app.quota.store import LedgerConflictError

LABEL = "registry-admission/ledger"
_PREFIX = "ledger-"
_TURN = "registry-admission/turn"
_RECALL = "registry-admission/recall"
_PATIENCE = 1
"""Conflicts in a row after which a replica asks for a turn."""
_YIELD = 0.02
"""Seconds that the other replicas leave to one that has asked for a turn."""
_MAX_BYTES = 900_000
"""The API server refuses objects above 1 MiB."""


class KubernetesLedgers:
    """Reads ledgers from a watch, and writes them with the version that the decision was based on.

    It is also the store of the informer that watches the ledgers.

    The replica that has just written a ledger knows its new version first, and would win against
    the others again and again. A replica that has lost twice asks for a turn with an annotation on
    the ledger, which it writes without a version. The next writer then gets a conflict and sees the
    annotation.
    """

    def __init__(self, api: KubeApi, namespace: str, identity: str) -> None:
        self._api = api
        self._identity = identity
        # A process that starts again in the same Pod does not know the escrows that it held before.
        self.replica = f"{identity}-{secrets.token_hex(4)}"
        self._listeners: list[Callable[[str], None]] = []
        self._lost: Counter[str] = Counter()
        self.path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._known: dict[str, _Known] = {}

    def own(self, namespace: str) -> None:
        """Every replica writes every ledger."""

    async def load(self, namespace: str) -> tuple[Ledger, str]:
        """The ledger as last seen. A stale one costs a conflict, never a wrong admission."""
        known = self._known.get(namespace)
        return (known.ledger.copy(), known.version) if known else (Ledger(), "")

    async def refresh(self, namespace: str) -> tuple[Ledger, str]:
        """Read the ledger from the API server. Raises StateUnavailableError."""
        try:
            content = await self._api.get(f"{self.path}/{_PREFIX}{namespace}")
        except NotFoundError:
            self._known.pop(namespace, None)
        except ApiError as error:
            raise StateUnavailableError(f"the ledger cannot be read: {error}") from None
        else:
            self._believe(namespace, content)
        return await self.load(namespace)

    async def save(self, namespace: str, ledger: Ledger, version: str) -> None:
        """Write the ledger.

        Raises LedgerConflictError, and StateUnavailableError if the outcome is unknown.
        """
        name = f"{_PREFIX}{namespace}"
        data = encode(ledger)
        if len(data["reservations"]) > _MAX_BYTES:
            raise StateUnavailableError(f"too many pushes in flight in namespace {namespace}")
        content: Content = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {LABEL: "true"}},
            "data": {"namespace": namespace, **data},
        }
        try:
            if version:
                content["metadata"]["resourceVersion"] = version
                written = await self._api.replace(f"{self.path}/{name}", content)
            else:
                written = await self._api.create(self.path, content)
        except (ConflictError, NotFoundError):
            await self._lose(namespace)
            raise LedgerConflictError from None
        except ApiError as error:
            raise StateUnavailableError(f"the ledger cannot be written: {error}") from None
        self._lost.pop(namespace, None)
        self._known[namespace] = _Known(written["metadata"]["resourceVersion"], ledger=ledger)

    async def _lose(self, namespace: str) -> None:
        """Read the ledger that another replica has written, and ask for a turn after several
        conflicts."""
        self._lost[namespace] += 1
        await self.refresh(namespace)
        known = self._known.get(namespace)
        if known is None:
            return
        if known.turn not in ("", self._identity):
            await asyncio.sleep(_YIELD)
            await self.refresh(namespace)
        elif self._lost[namespace] > _PATIENCE:
            note = {"metadata": {"annotations": {_TURN: self._identity}}}
            try:
                path = f"{self.path}/{_PREFIX}{namespace}"
                self._believe(namespace, await self._api.merge(path, note))
            except ApiError as error:
                raise StateUnavailableError(f"the ledger cannot be written: {error}") from None

    async def discard(self, namespace: str, version: str) -> None:
        """Delete the ledger of a namespace if it still has the loaded version. The watch tells when
        it is gone. Raises ApiError."""
        if version:
            options = {"preconditions": {"resourceVersion": version}}
            with contextlib.suppress(ConflictError, NotFoundError):
                await self._api.delete(f"{self.path}/{_PREFIX}{namespace}", options)

    async def recall(self, namespace: str) -> None:
        """Raises StateUnavailableError."""
        note = {"metadata": {"annotations": {_RECALL: self.replica}}}
        try:
            path = f"{self.path}/{_PREFIX}{namespace}"
            self._believe(namespace, await self._api.merge(path, note))
        except NotFoundError:
            self._known.pop(namespace, None)
        except ApiError as error:
            raise StateUnavailableError(f"the ledger cannot be written: {error}") from None

    def on_recall(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)

    def reservations(self) -> int:
        return sum(known.size for known in self._known.values())

    def namespaces(self) -> list[str]:
        return list(self._known)

    def put(self, key: Key, content: Content) -> None:
        namespace = key[1].removeprefix(_PREFIX)
        self._remember(namespace, content)
        annotations = content["metadata"].get("annotations") or {}
        if annotations.get(_RECALL, self.replica) != self.replica:
            for listener in self._listeners:
                listener(namespace)

    def remove(self, key: Key) -> None:
        # The ledger may have been created again. Forgetting it costs one conflict at most.
        self._known.pop(key[1].removeprefix(_PREFIX), None)

    def retain(self, keys: set[Key]) -> None:
        names = {name.removeprefix(_PREFIX) for _, name in keys}
        self._known = {ns: known for ns, known in self._known.items() if ns in names}

    def _remember(self, namespace: str, content: Content) -> None:
        """Take in an event of the watch, which may be older than our own last write."""
        version = content["metadata"]["resourceVersion"]
        known = self._known.get(namespace)
        if known is None or int(version) > int(known.version):
            self._known[namespace] = _Known(version, content=content)

    def _believe(self, namespace: str, content: Content) -> None:
        """Take in a response of the API server with any version: after a restore from a backup,
        versions start again."""
        version = content["metadata"]["resourceVersion"]
        known = self._known.get(namespace)
        if known is None or version != known.version:
            self._known[namespace] = _Known(version, content=content)


class _Known:
    """A ledger as it was received. It is parsed when it is needed.

    A ledger that cannot be parsed makes only its namespace undecidable.
    """

    def __init__(
        self, version: str, *, content: Content | None = None, ledger: Ledger | None = None
    ) -> None:
        self.version = version
        self._content = content
        self._ledger = ledger
        annotations = content["metadata"].get("annotations") if content else None
        self.turn: str = (annotations or {}).get(_TURN, "")
        """The replica that has asked for a turn; "" if none has."""

    @property
    def size(self) -> int:
        """The number of reservations; 0 if the ledger cannot be parsed."""
        try:
            return len(self.ledger)
        except StateUnavailableError:
            return 0

    @property
    def ledger(self) -> Ledger:
        """Raises StateUnavailableError."""
        if self._ledger is None:
            try:
                self._ledger = decode(self._content or {})
            except ValueError as error:
                raise StateUnavailableError(f"the ledger cannot be parsed: {error}") from None
            self._content = None
        return self._ledger
