"""Config/cluster: its settings for the controllers, and their conditions in its status."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.cluster.api import ApiError, ConflictError, Content, KubeApi, NotFoundError
from app.cluster.event import new_event, timestamp
from app.cluster.informer import Informer, Key
from app.controllers.ownership import OURS, Claim, ManagementState, mark_of_config
from app.model.domain import ApiDomain
from app.model.registry import ServedConfig

logger = logging.getLogger("registry_admission.controllers")

NAME = "cluster"
_ATTEMPTS = 5
_MAX_MESSAGE = 1024
_EVENTS = "/api/v1/namespaces/default/events"
"""Events on cluster-scoped objects are kept in the namespace `default`."""


@dataclass(frozen=True)
class Condition:
    """A controller's entry in `status.conditions`."""

    kind: str
    """Its `type`, such as `PullSecretsManaged`."""
    active: bool
    reason: str
    message: str

    @classmethod
    def of(cls, kind: str, controller: str, management_state: ManagementState) -> "Condition":
        if management_state.off:
            return cls(
                kind,
                False,
                "OtherOwner",
                f"controller {controller} is off, nothing is written or removed: "
                f"{management_state.off}; "
                f"turn the other owner off and remove its mark, or take {controller} out of "
                "--controllers",
            )
        if management_state.apart:
            message = f"{management_state.apart}: these objects are left to their owner"
            return cls(kind, True, "OtherOwnerOfSome", message)
        return cls(kind, True, "AsExpected", f"controller {controller} works")

    @property
    def status(self) -> str:
        return str(self.active)


class ConfigWatch:
    """Config/cluster as last seen. It is also the store of the informer that watches it.

    KubernetesState watches Config/cluster too, for the registry's host names. There, an API that is
    not installed means that there is no Config. Here it must not mean that: every pull secret would
    be deleted.
    """

    def __init__(self, api: KubeApi, domain: ApiDomain, silence: float) -> None:
        self._domain = domain
        self._listeners: list[Callable[[], None]] = []
        self._conditions: dict[str, str] = {}
        self.path = f"/apis/{domain.operator_group}/v1/configs"
        self.config: ServedConfig | None = None
        self.informer = Informer(
            api, self.path, f"configs.{domain.operator_group}", self, silence=silence, only=NAME
        )

    def claim(self, work: str) -> Claim | None:
        """The owner of a task, such as `pull-secrets`, that Config/cluster names instead of us."""
        if self.config is None:
            return None
        annotation = f"{self._domain.operator_group}/{work}-owner"
        mark = mark_of_config({"annotations": self.config.metadata.annotations}, annotation)
        return Claim(f"Config {NAME}", mark) if mark else None

    def condition(self, kind: str) -> str:
        """The status that the leader has written, `True` or `False`; "" if there is none."""
        return self._conditions.get(kind, "")

    @contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call a listener on each change while the context is open."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def put(self, key: Key, content: Content) -> None:
        self.config = ServedConfig.model_validate(content)
        conditions = (content.get("status") or {}).get("conditions") or []
        self._conditions = {one.get("type", ""): one.get("status", "") for one in conditions}
        self._notify()

    def remove(self, key: Key) -> None:
        self.config, self._conditions = None, {}
        self._notify()

    def retain(self, keys: set[Key]) -> None:
        if not keys and self.config is not None:
            self.remove(("", NAME))

    def _notify(self) -> None:
        for listener in tuple(self._listeners):
            listener()


class ConfigStatus:
    """Writes a controller's condition to Config/cluster, and an Event when its status changes."""

    def __init__(self, api: KubeApi, domain: ApiDomain, identity: str) -> None:
        self._api = api
        self._api_version = f"{domain.operator_group}/v1"
        self._path = f"/apis/{self._api_version}/configs/{NAME}"
        self._identity = identity
        self._uid = ""
        self._told: dict[str, Condition] = {}

    async def tell(self, condition: Condition, seen: ConfigWatch) -> None:
        """Write the condition if it is new, or is missing from Config/cluster.

        Never fails. If the status may not be written, the Event and the log remain.
        """
        if seen.config is None:
            return
        before = self._told.get(condition.kind)
        if before == condition and seen.condition(condition.kind) == condition.status:
            return
        self._told[condition.kind] = condition
        found = ""
        try:
            found = await self._write(condition)
        except NotFoundError:
            return
        except ApiError as error:
            logger.warning("condition not written", extra={"problem": str(error)})
        previous = before.status if before else found
        if previous != condition.status and (previous or not condition.active):
            await self._event(condition)

    async def _write(self, condition: Condition) -> str:
        """Write the condition. Returns its previous status, "" if there was none. Raises ApiError.

        Conditions of others stay: the whole list is written with the version that was read.
        """
        for _ in range(_ATTEMPTS):
            config = await self._api.get(self._path)
            self._uid = config["metadata"]["uid"]
            present = (config.get("status") or {}).get("conditions") or []
            mine: Content = next((one for one in present if one.get("type") == condition.kind), {})
            found: str = mine.get("status", "")
            wanted = {
                "type": condition.kind,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message[:_MAX_MESSAGE],
                "lastTransitionTime": _now(),
            }
            if found == condition.status:
                wanted["lastTransitionTime"] = mine.get("lastTransitionTime", _now())
            if wanted == mine:
                return found
            others = [one for one in present if one.get("type") != condition.kind]
            patch = {
                "metadata": {"resourceVersion": config["metadata"]["resourceVersion"]},
                "status": {"conditions": [*others, wanted]},
            }
            try:
                await self._api.merge(f"{self._path}/status", patch, {"fieldManager": OURS})
            except ConflictError:
                continue
            return found
        raise ConflictError(409, f"{self._path} was changed during every attempt to write it")

    async def _event(self, condition: Condition) -> None:
        involved = {
            "apiVersion": self._api_version, "kind": "Config", "name": NAME, "uid": self._uid,
        }  # fmt: skip
        event = new_event(
            involved,
            namespace="default",
            warning=not condition.active,
            reason=condition.reason,
            message=condition.message,
            instance=self._identity,
        )
        try:
            await self._api.create(_EVENTS, event)
        except ApiError as error:
            logger.warning("event not written", extra={"problem": str(error)})


def _now() -> str:
    return timestamp(time.time())
