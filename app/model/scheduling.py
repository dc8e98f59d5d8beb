"""The fields of a Pod that choose its nodes. Config/cluster and ImagePruner hold copies of them."""

from pydantic import Field

from app.model.base import KubeModel, TextMap

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


class Toleration(KubeModel):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class Requirement(KubeModel):
    """An entry of `matchExpressions` or `matchFields`."""

    key: str = ""
    operator: str = ""
    values: list[str] = Field(default_factory=list)


class LabelSelector(KubeModel):
    match_labels: TextMap = Field(default_factory=dict)
    match_expressions: list[Requirement] = Field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether it matches everything."""
        return not (self.match_labels or self.match_expressions)


class NodeTerm(KubeModel):
    match_expressions: list[Requirement] = Field(default_factory=list)
    match_fields: list[Requirement] = Field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether it matches no node."""
        return not (self.match_expressions or self.match_fields)


class NodeSelector(KubeModel):
    node_selector_terms: list[NodeTerm] = Field(default_factory=list)


class PreferredNodes(KubeModel):
    weight: int = 0
    preference: NodeTerm = Field(default_factory=NodeTerm)


class NodeAffinity(KubeModel):
    required: NodeSelector | None = Field(default=None, alias=_REQUIRED)
    preferred: list[PreferredNodes] = Field(default_factory=list, alias=_PREFERRED)


class PodTerm(KubeModel):
    label_selector: LabelSelector | None = None
    """None matches no Pod."""
    namespace_selector: LabelSelector | None = None
    namespaces: list[str] = Field(default_factory=list)
    topology_key: str = ""
    match_label_keys: list[str] = Field(default_factory=list)
    mismatch_label_keys: list[str] = Field(default_factory=list)


class PreferredPods(KubeModel):
    weight: int = 0
    term: PodTerm = Field(default_factory=PodTerm, alias="podAffinityTerm")


class PodAffinity(KubeModel):
    """Nodes near certain Pods or, as `podAntiAffinity`, away from them."""

    required: list[PodTerm] = Field(default_factory=list, alias=_REQUIRED)
    preferred: list[PreferredPods] = Field(default_factory=list, alias=_PREFERRED)


class Affinity(KubeModel):
    node_affinity: NodeAffinity = Field(default_factory=NodeAffinity)
    pod_affinity: PodAffinity = Field(default_factory=PodAffinity)
    pod_anti_affinity: PodAffinity = Field(default_factory=PodAffinity)


class Placement(KubeModel):
    """The nodes on which Pods may run."""

    node_selector: TextMap = Field(default_factory=dict)
    tolerations: list[Toleration] = Field(default_factory=list)
    affinity: Affinity | None = None


class SpreadConstraint(KubeModel):
    """An entry of `topologySpreadConstraints`."""

    max_skew: int = 0
    topology_key: str = ""
    when_unsatisfiable: str = ""
    label_selector: LabelSelector | None = None
    """None matches no Pod."""
    min_domains: int | None = None
    node_affinity_policy: str | None = None
    node_taints_policy: str | None = None
    match_label_keys: list[str] = Field(default_factory=list)
