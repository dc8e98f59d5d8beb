"""Pods, and the objects that create and reach them."""

from datetime import datetime
from typing import Any

from pydantic import Field

from app.model.base import KubeModel
from app.model.stored import Condition, StoredObject, time_of


class ClaimVolume(KubeModel):
    claim_name: str = ""


class Volume(KubeModel):
    name: str = ""
    persistent_volume_claim: ClaimVolume | None = None
    empty_dir: dict[str, Any] | None = None


class Variable(KubeModel):
    name: str = ""
    value: str = ""


class Container(KubeModel):
    name: str = ""
    image: str = ""
    args: list[str] = Field(default_factory=list)
    env: list[Variable] = Field(default_factory=list)


class PodSpec(KubeModel):
    node_name: str = ""
    volumes: list[Volume] = Field(default_factory=list)
    containers: list[Container] = Field(default_factory=list)

    @property
    def claims(self) -> list[str]:
        """The names of the PersistentVolumeClaims that the Pod mounts."""
        return [
            volume.persistent_volume_claim.claim_name
            for volume in self.volumes
            if volume.persistent_volume_claim
        ]


class PodStatus(KubeModel):
    phase: str = ""
    start_time: str = ""
    conditions: list[Condition] = Field(default_factory=list)


class Pod(StoredObject):
    kind: str = "Pod"
    spec: PodSpec = Field(default_factory=PodSpec)
    status: PodStatus = Field(default_factory=PodStatus)

    @property
    def is_ready(self) -> bool:
        return self.status.phase == "Succeeded" or _is_true(self.status.conditions, "Ready")

    @property
    def started(self) -> datetime | None:
        return time_of(self.status.start_time)


class PodTemplate(KubeModel):
    spec: PodSpec = Field(default_factory=PodSpec)


class ReplicasSpec(KubeModel):
    replicas: int = 1
    template: PodTemplate = Field(default_factory=PodTemplate)


class ReplicasStatus(KubeModel):
    replicas: int = 0
    ready_replicas: int = 0
    conditions: list[Condition] = Field(default_factory=list)


class Deployment(StoredObject):
    kind: str = "Deployment"
    spec: ReplicasSpec = Field(default_factory=ReplicasSpec)
    status: ReplicasStatus = Field(default_factory=ReplicasStatus)


class ReplicaSet(StoredObject):
    kind: str = "ReplicaSet"
    spec: ReplicasSpec = Field(default_factory=ReplicasSpec)


class NodeStatus(KubeModel):
    conditions: list[Condition] = Field(default_factory=list)


class Node(StoredObject):
    kind: str = "Node"
    status: NodeStatus = Field(default_factory=NodeStatus)

    @property
    def is_ready(self) -> bool:
        return _is_true(self.status.conditions, "Ready")


class EndpointConditions(KubeModel):
    ready: bool = True
    """True if it is unset, as the API defines."""


class Endpoint(KubeModel):
    conditions: EndpointConditions = Field(default_factory=EndpointConditions)


class EndpointSlice(StoredObject):
    kind: str = "EndpointSlice"
    endpoints: list[Endpoint] = Field(default_factory=list)

    @property
    def service(self) -> str:
        return self.metadata.labels.get("kubernetes.io/service-name", "")


def _is_true(conditions: list[Condition], name: str) -> bool:
    return any(item.type == name and item.status == "True" for item in conditions)
