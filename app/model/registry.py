"""Config/cluster and ImagePruner/cluster of the registry's operator.

The schema follows `imageregistry.operator.openshift.io/v1` plus `spec.imagePullSecret`.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from app.model.base import KubeModel, KubeObject, without_nulls
from app.model.quantity import Quantity
from app.model.scheduling import Placement, SpreadConstraint
from app.model.stored import Condition

Quantities = Annotated[dict[str, Quantity], BeforeValidator(without_nulls)]


class Resources(KubeModel):
    requests: Quantities = Field(default_factory=dict)
    limits: Quantities = Field(default_factory=dict)


class RequestLimits(KubeModel):
    """Requests of one kind that one Pod of the registry serves at once."""

    max_running: int = 0
    """0: there is no limit."""
    max_in_queue: int = 0
    max_wait_in_queue: str = ""
    """A Go duration such as `30s`."""


class Requests(KubeModel):
    read: RequestLimits = Field(default_factory=RequestLimits)
    write: RequestLimits = Field(default_factory=RequestLimits)


class Proxy(KubeModel):
    http: str = ""
    https: str = ""
    no_proxy: str = ""
    """Host names, domains, addresses and networks, separated by commas."""


class BackendStorage(KubeModel):
    """A storage backend with checks of its own. Fields without checks are kept."""

    model_config = ConfigDict(extra="allow")

    @property
    def known(self) -> list[str]:
        """The names of its fields."""
        return [str(field.alias) for field in type(self).model_fields.values()]

    @property
    def unknown(self) -> list[str]:
        """Names of other fields that are set."""
        return list(self.model_extra or {})


class ClaimStorage(BackendStorage):
    claim: str = ""


class TrustedCA(KubeModel):
    name: str = ""


class PrivateKey(KubeModel):
    name: str = ""
    key: str = ""


class CloudFront(KubeModel):
    base_url: str = Field(default="", alias="baseURL")
    private_key: PrivateKey = Field(default_factory=PrivateKey)
    keypair_id: str = Field(default="", alias="keypairID")
    duration: str = ""


class S3Storage(BackendStorage):
    bucket: str = ""
    region: str = ""
    region_endpoint: str = ""
    chunk_size: int | None = Field(default=None, alias="chunkSizeMiB")
    encrypt: bool = False
    key_id: str = Field(default="", alias="keyID")
    cloud_front: CloudFront | None = None
    virtual_hosted_style: bool = False
    trusted_ca: TrustedCA = Field(default_factory=TrustedCA, alias="trustedCA")


class Storage(KubeModel):
    """At most one backend. Backends without checks of their own are kept as they are."""

    model_config = ConfigDict(extra="allow")

    management_state: str = ""
    empty_dir: dict[str, Any] | None = None
    pvc: ClaimStorage | None = None
    s3: S3Storage | None = None
    azure: dict[str, Any] | None = None
    gcs: dict[str, Any] | None = None
    ibmcos: dict[str, Any] | None = None
    oss: dict[str, Any] | None = None
    swift: dict[str, Any] | None = None

    @property
    def backends(self) -> dict[str, dict[str, Any]]:
        """The content of each backend that is set, by its name in the API."""
        return self.model_dump(
            by_alias=True,
            exclude_unset=True,
            exclude_none=True,
            exclude={"management_state", *self.unknown},
        )

    @property
    def unknown(self) -> list[str]:
        """Names of fields that are no backend. The operator ignores them."""
        return list(self.model_extra or {})

    @property
    def is_managed(self) -> bool:
        """Whether the operator owns the storage, and deletes it together with the registry."""
        return (self.management_state or self.default_management_state) == "Managed"

    @property
    def default_management_state(self) -> str:
        """`Unmanaged` for storage that the user provides; "" if there is none."""
        if (self.pvc and self.pvc.claim) or (self.s3 and self.s3.bucket):
            return "Unmanaged"
        return "Managed" if self.backends else ""


class Route(KubeModel):
    name: str = ""
    hostname: str = ""
    secret_name: str = ""


class ImagePullSecret(KubeModel):
    management_state: str = ""
    additional_registry_hosts: list[str] = Field(default_factory=list)
    ignored_namespaces: list[str] = Field(default_factory=list)
    ignore_system_namespaces: bool | None = None


class ServedSpec(KubeModel):
    """The host names of the registry, and whether its pull secrets are managed."""

    management_state: str = ""
    routes: list[Route] = Field(default_factory=list)
    image_pull_secret: ImagePullSecret = Field(default_factory=ImagePullSecret)


class ServedConfig(KubeObject):
    """The part of Config/cluster that is watched. No other field is read."""

    kind: str = "Config"
    spec: ServedSpec = Field(default_factory=ServedSpec)

    @property
    def registry_hosts(self) -> set[str]:
        """Host names of the internal registry, besides its Service, that pull specs may use."""
        routes = {route.hostname for route in self.spec.routes if route.hostname}
        return routes | set(self.spec.image_pull_secret.additional_registry_hosts)


class ConfigSpec(ServedSpec, Placement):
    replicas: int | None = None
    storage: Storage = Field(default_factory=Storage)
    disable_redirect: bool | None = None
    read_only: bool | None = None
    requests: Requests = Field(default_factory=Requests)
    proxy: Proxy = Field(default_factory=Proxy)
    rollout_strategy: str = ""
    log_level: str = ""
    operator_log_level: str = ""
    resources: Resources | None = None
    topology_spread_constraints: list[SpreadConstraint] = Field(default_factory=list)


class Config(ServedConfig):
    """The registry's configuration, a singleton named `cluster`."""

    spec: ConfigSpec = Field(default_factory=ConfigSpec)

    @property
    def claim(self) -> str:
        """The claim that holds the registry's images; "" for other storage, or if the registry is
        removed."""
        going = self.metadata.deletion_timestamp or self.spec.management_state == "Removed"
        return self.spec.storage.pvc.claim if self.spec.storage.pvc and not going else ""


class ConfigStatus(KubeModel):
    """The operator's status of the registry."""

    storage: Storage = Field(default_factory=Storage)
    conditions: list[Condition] = Field(default_factory=list)


class OperatedConfig(Config):
    """A Config with its status."""

    status: ConfigStatus = Field(default_factory=ConfigStatus)


class ImagePrunerSpec(Placement):
    schedule: str = ""
    suspend: bool | None = None
    keep_tag_revisions: int | None = None
    keep_younger_than: int | None = None
    """Nanoseconds, the deprecated form of `keepYoungerThanDuration`."""
    keep_younger_than_duration: str = ""
    """A Go duration such as `60m`."""
    successful_jobs_history_limit: int | None = None
    failed_jobs_history_limit: int | None = None
    log_level: str = ""
    resources: Resources | None = None


class ImagePruner(KubeObject):
    """The scheduled clean-up of images, a singleton named `cluster`."""

    kind: str = "ImagePruner"
    spec: ImagePrunerSpec = Field(default_factory=ImagePrunerSpec)
