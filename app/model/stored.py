"""Stored objects and their state."""

from datetime import UTC, datetime

from pydantic import Field

from app.model.base import KubeModel, KubeObject, ObjectMeta


def time_of(text: str) -> datetime | None:
    """A point in time in RFC 3339; None for other text."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


class StoredMeta(ObjectMeta):
    creation_timestamp: str = ""
    labels: dict[str, str] = Field(default_factory=dict)


class StoredObject(KubeObject):
    metadata: StoredMeta = Field(default_factory=StoredMeta)

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def created(self) -> datetime | None:
        return time_of(self.metadata.creation_timestamp)


class Condition(KubeModel):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""

    def __str__(self) -> str:
        """For example `Available is False (ServiceNotFound): no such service`."""
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.type} is {self.status}{reason}" + (f": {self.message}" * bool(self.message))


class ObjectReference(KubeModel):
    """The object that an Event is about, or that owns a volume."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class EventSeries(KubeModel):
    last_observed_time: str = ""


class Event(StoredObject):
    kind: str = "Event"
    involved_object: ObjectReference = Field(default_factory=ObjectReference)
    type: str = ""
    """`Normal` or `Warning`."""
    reason: str = ""
    message: str = ""
    last_timestamp: str = ""
    event_time: str = ""
    series: EventSeries = Field(default_factory=EventSeries)

    @property
    def seen(self) -> datetime:
        """The last time of the Event; a time long ago if it is unknown."""
        times = (self.series.last_observed_time, self.last_timestamp, self.event_time)
        known = [time for time in map(time_of, times) if time]
        return max(known) if known else self.created or datetime.min.replace(tzinfo=UTC)

    def __str__(self) -> str:
        return f"event {self.reason}: {' '.join(self.message.split())}"


class APIService(StoredObject):
    class Status(KubeModel):
        conditions: list[Condition] = Field(default_factory=list)

    kind: str = "APIService"
    status: Status = Field(default_factory=Status)
