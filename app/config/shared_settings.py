"""Settings that the webhook and the gateway have in common."""

from contextvars import ContextVar
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from app.config.setting_types import (
    Address,
    Hosts,
    LogFormat,
    LogLevel,
    Names,
    NamespaceName,
    Seconds,
    WholeSeconds,
)
from app.model.domain import ApiDomain
from app.model.mode import Mode
from app.policy.choices import UnknownSize

if TYPE_CHECKING:
    from app.quota.view import Timing

ENV_PREFIX = "REGISTRY_ADMISSION_"

settings_file: ContextVar[Path | None] = ContextVar("settings file", default=None)
"""The file that settings are read from while they are made."""


class _File(YamlConfigSettingsSource):
    """Keys are spelled as the settings, `watch_lag`, or as the flags, `watch-lag`."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        content = super()._read_file(file_path)
        return {str(key).replace("-", "_"): value for key, value in content.items()}


class SharedSettings(BaseSettings):
    """Settings of every server that decides pushes.

    Sizes are bytes unless a description says otherwise.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", enable_decoding=False, validate_default=False
    )

    host: Address = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8443, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    tls_dir: Path | None = Field(
        None,
        description="Folder with tls.crt and tls.key, reloaded when they change. "
        "Without it, a self-made certificate is used.",
    )
    kubeconfig: Path | None = Field(
        None, description="Kubeconfig of the cluster; not needed inside a cluster."
    )
    context: str | None = Field(None, description="Context of the kubeconfig.")
    namespace: NamespaceName = Field(
        "registry-admission",
        validation_alias=AliasChoices("namespace", f"{ENV_PREFIX}NAMESPACE", "POD_NAMESPACE"),
        description="Namespace of the service itself, for ledgers and leader election.",
    )
    state: Path | None = Field(
        None,
        description="Folder to read instead of a cluster: manifests of LimitRanges, "
        "ResourceQuotas, ImageStreams and Images.",
    )
    api_domain: Literal["alauda.io", "openshift.io"] = Field(
        "alauda.io", description="Domain of the registry's API groups and resource names."
    )
    unknown_size: UnknownSize = Field(
        "deny", description="What to do with an image whose size is unknown."
    )
    default_mode: Mode = Field(
        "enforce",
        description="Mode of limits without a mode annotation. A push that exceeds such a limit is "
        "refused (enforce), allowed with a warning (warn), or allowed and recorded (audit).",
    )
    exempt_namespaces: Names = Field(
        default_factory=list,
        description="Patterns of namespaces in which every push may exceed limits; each such push "
        "is recorded.",
    )
    registry_hosts: Hosts = Field(
        default_factory=list,
        description="Host names of the internal registry, besides its Service's.",
    )
    registry_namespace: NamespaceName = Field(
        "",
        description="Namespace of the internal registry, with its Service, claim and Secrets.  "
        "[default: image-registry-system, or openshift-image-registry for openshift.io]",
    )
    request_timeout: Seconds = Field(
        60.0,
        gt=0,
        description="The API server's --request-timeout: the longest time from the admission of a "
        "request to its storage.",
    )
    watch_lag: Seconds = Field(
        5.0,
        gt=0,
        description="Greatest age of the view of the ImageStreams on which a replica decides.",
    )
    clock_skew: Seconds = Field(
        2.0,
        gt=1,
        description="Greatest difference between the clocks of this replica and of the API server, "
        "which gives its time in whole seconds.",
    )
    watch_silence: Seconds = Field(
        150.0,
        gt=60,
        description="Longest silence of a watch before its objects are listed again; the API "
        "server sends bookmarks every minute.",
    )
    shutdown_delay: Seconds = Field(
        0.0, ge=0, description="Time between failing readiness and closing the listener."
    )
    shutdown_timeout: WholeSeconds = Field(
        20, gt=0, description="Longest time on shutdown for reviews in flight to finish."
    )
    log_level: LogLevel = Field("info", description="Log level.")
    log_format: LogFormat = Field("json", description="Log format.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = settings_file.get()
        in_file = (_File(settings_cls, yaml_file=file),) if file else ()
        return (init_settings, env_settings, *in_file)

    @model_validator(mode="after")
    def _of_the_domain(self) -> Self:
        self.registry_namespace = self.registry_namespace or self.domain.registry_namespace
        return self

    @property
    def domain(self) -> ApiDomain:
        return ApiDomain(self.api_domain)

    @property
    def internal_hosts(self) -> set[str]:
        """Every host name that a pull spec may use for the internal registry."""
        service = f"image-registry.{self.registry_namespace}"
        names = (service, f"{service}.svc", f"{service}.svc.cluster.local")
        return {*self.registry_hosts, *names, *(f"{name}:5000" for name in names)}

    @property
    def timing(self) -> "Timing":
        """Seconds that a reservation lasts: the longest way of a request to storage, the age of
        the view, and twice the clock skew, because two replicas may differ to either side."""
        from app.quota.view import Timing  # `--help` does not need it

        skew = 2 * self.clock_skew
        return Timing(self.request_timeout + self.watch_lag + skew, self.watch_lag, skew)
