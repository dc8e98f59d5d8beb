"""Every setting in one model. Flags win over the environment, a file and the defaults."""

from contextvars import ContextVar
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import yaml
from pydantic import AliasChoices, Field, NonNegativeFloat, PositiveInt, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from app.config.setting_types import (
    Controllers,
    Hosts,
    LegacyMode,
    LegacyModes,
    LogFormat,
    LogLevel,
    Names,
    PushProxy,
    RegistryUrl,
)
from app.model.domain import ApiDomain
from app.model.mode import Mode
from app.model.yaml_bounds import require_bounds
from app.policy.choices import FollowedTags, ReferenceChecks, UnknownSize

if TYPE_CHECKING:
    from app.policy.enforcement import Enforcement
    from app.quota.ledger import Timing

ENV_PREFIX = "REGISTRY_ADMISSION_"

_file: ContextVar[Path | None] = ContextVar("settings file", default=None)


class Settings(BaseSettings):
    """Sizes are bytes and times are seconds unless a description says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", enable_decoding=False, validate_default=False
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8443, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    tls_dir: Path | None = Field(
        None,
        description="Folder with tls.crt and tls.key, reloaded when they change. "
        "Without it, a self-made certificate is used.",
    )
    client_ca: Path | None = Field(
        None,
        description="CA certificates of the API servers' client certificates; with it, reviews "
        "from anybody else are refused.",
    )
    client_names: Names = Field(
        default_factory=list,
        description="Common names that such a certificate may have; any, if none is given.",
    )
    certificates: Literal["auto", "secret", "local"] = Field(
        "auto",
        description="Where self-made certificates are kept: in a Secret that all replicas share, "
        "or in a local folder; auto is the Secret inside a cluster.",
    )
    kubeconfig: Path | None = Field(
        None, description="Kubeconfig of the cluster; inside a cluster none is needed."
    )
    context: str | None = Field(None, description="Context of the kubeconfig.")
    namespace: str = Field(
        "registry-admission",
        validation_alias=AliasChoices("namespace", f"{ENV_PREFIX}NAMESPACE", "POD_NAMESPACE"),
        description="Namespace of the service itself, for ledgers and leader election.",
    )
    state: Path | None = Field(
        None,
        description="Folder of manifests that is the state (LimitRanges, ResourceQuotas, "
        "ImageStreams, Images); watched for changes.",
    )
    api_domain: Literal["alauda.io", "openshift.io"] = Field(
        "alauda.io", description="Domain of the registry's API groups and resource names."
    )
    unknown_size: UnknownSize = Field(
        "deny", description="What to do with an image whose size no source knows."
    )
    followed_tags: FollowedTags = Field(
        "warn",
        description="What to do with a tag that follows a tag of another namespace, which may "
        "point at a larger image later, where image sizes are limited.",
    )
    default_mode: Mode = Field(
        "enforce",
        description="What limits without a mode annotation do to a push that passes them: enforce "
        "refuses it, warn allows it with a warning, audit allows and records it.",
    )
    exempt_users: Names = Field(
        default_factory=list,
        description="Patterns of users whose pushes may pass limits; each such push is recorded.",
    )
    exempt_groups: Names = Field(
        default_factory=list, description="Patterns of groups whose members may do so."
    )
    exempt_namespaces: Names = Field(
        default_factory=list, description="Patterns of namespaces in which everybody may do so."
    )
    registry_hosts: Hosts = Field(
        default_factory=list,
        description="Host names of the internal registry, besides its Service's.",
    )
    registry_url: RegistryUrl | None = Field(
        None,
        description="Internal registry to ask for sizes that nothing else proves, "
        "https://host[:port]; without it, it is not asked.",
    )
    registry_auth: Path | None = Field(
        None, description="Docker config JSON with credentials for it."
    )
    registry_ca: Path | None = Field(None, description="CA certificates to trust it by.")
    registry_namespace: str = Field(
        "",
        description="Namespace of the internal registry: its Service, its claim, its Secrets.  "
        "[default: image-registry-system, or openshift-image-registry for openshift.io]",
    )
    legacy_modes: LegacyModes = Field(
        default_factory=lambda: ["*=enforce"],
        description="How the legacy gateway's limit ConfigMap is treated: "
        "<namespace pattern>=enforce|warn|off, the first pattern that fits decides.",
    )
    legacy_namespaces: Names = Field(
        default_factory=lambda: ["cpaas-system"],
        description="Namespace patterns in which that ConfigMap is also recognised by its keys.",
    )
    data_loss_guard: Literal["warn", "deny"] = Field(
        "warn", description="What to do with a change of Config/cluster that can lose images."
    )
    reference_checks: ReferenceChecks = Field(
        "warn",
        description="What to do with a Config/cluster whose claim, storage credentials or "
        "trusted CA is missing or of no use; off looks at none of them.",
    )
    trusted_ca_namespace: str | None = Field(
        None,
        description="Namespace of the ConfigMap that trustedCA names; "
        "without it, that of the registry, or openshift-config for openshift.io.",
    )
    request_timeout: float = Field(
        60.0,
        gt=0,
        description="The API server's --request-timeout: the longest way of a request "
        "from admission to storage.",
    )
    watch_lag: float = Field(
        5.0, gt=0, description="How old the view of the ImageStreams may be to decide on it."
    )
    clock_skew: float = Field(
        2.0,
        gt=1,
        description="How far this replica's clock may be from the API server's, "
        "which tells its time to the second.",
    )
    watch_silence: float = Field(
        150.0,
        gt=60,
        description="How long a watch may be silent before it is not trusted; "
        "the API server sends bookmarks every minute.",
    )
    controllers: Controllers = Field(
        default_factory=list,
        description="Opt-in controllers, of pull-secrets, s3-credentials and "
        "namespace-limits; none by default.",
    )
    pull_secret_life: int = Field(
        8 * 3600,
        ge=600,
        description="How long a pull secret's token is good for; the API server takes 600 or more.",
    )
    pull_secret_refresh: float = Field(
        0.6,
        gt=0,
        le=0.9,
        description="Share of that life after which it is refreshed at the latest.",
    )
    system_namespaces: Names = Field(
        default_factory=lambda: ["kube-*", "openshift", "openshift-*", "cpaas-*"],
        description="Patterns of the namespaces that ignoreSystemNamespaces ignores, besides the "
        "registry's and the service's own.",
    )
    limits_selector: str = Field(
        "",
        description="Labels of the namespaces in which namespace-limits creates limits, such as "
        "team=a; without it, in every new one but system namespaces.",
    )
    rival_managers: Names = Field(
        default_factory=lambda: ["*image-registry-operator*", "openshift-controller-manager*"],
        description="Patterns of field managers that are other controllers of pull secrets: "
        "what they manage is left to them.",
    )
    controller_rate: float = Field(
        40.0, ge=1, description="Requests per second that a controller makes at most."
    )
    push_tokens: Path | None = Field(
        None,
        description="File of bearer tokens for push checks and the page without a cluster, a "
        "line each: <token> <subject> <namespace pattern>,…",
    )
    push_proxy: PushProxy = Field(
        "off",
        description="Proxy that asks /v1/push/authorize, which refuses the questions of others.",
    )
    page: Literal["off", "on"] = Field(
        "off", description="Whether people can look at limits and refusals, on /page."
    )
    cluster_name: str = Field(
        "", description="Name of the cluster in the title and the header of the page."
    )
    usage_metrics: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Of how many namespaces, the fullest, /metrics has used and hard counts; "
        "0: of none.",
    )
    push_client_ca: Path | None = Field(
        None,
        description="CA certificates for clients of push checks: a client certificate that one "
        "of them has signed is as good as a token; its common name is the user, its "
        "organizations are the groups.",
    )
    max_body_bytes: PositiveInt = Field(8 * 2**20, description="Largest request body.")
    max_concurrent_reviews: PositiveInt = Field(
        256, description="Reviews decided at once; more are refused at once with 429."
    )
    review_timeout: float = Field(
        8.0, gt=0, description="Longest time for one review, if the API server names no shorter."
    )
    shutdown_delay: NonNegativeFloat = Field(
        0.0, description="Time between failing readiness and closing the listener."
    )
    shutdown_timeout: PositiveInt = Field(
        20, description="Longest time that reviews in flight have to finish on shutdown."
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
        file = _file.get()
        in_file = (YamlConfigSettingsSource(settings_cls, yaml_file=file),) if file else ()
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
    def ca_namespace(self) -> str:
        return self.trusted_ca_namespace or self.domain.config_namespace or self.registry_namespace

    @property
    def timing(self) -> "Timing":
        """Seconds that a reservation lasts: the longest way of a request to storage, the age of
        the view, and twice the clock skew, because two replicas may differ to either side."""
        from app.quota.ledger import Timing  # `--help` does not need it

        skew = 2 * self.clock_skew
        return Timing(self.request_timeout + self.watch_lag + skew, self.watch_lag, skew)

    def is_pusher(self, common_name: str) -> bool:
        """Whether a client certificate stands for a user of push checks, not for an API server."""
        return self.push_client_ca is not None and common_name not in self.client_names

    @property
    def enforcement(self) -> "Enforcement":
        from app.policy.enforcement import Enforcement  # `--help` does not need it

        return Enforcement(
            self.default_mode,
            tuple(self.exempt_users),
            tuple(self.exempt_groups),
            tuple(self.exempt_namespaces),
        )

    def legacy_mode(self, namespace: str) -> LegacyMode:
        for rule in self.legacy_modes:
            pattern, _, mode = rule.rpartition("=")
            if fnmatchcase(namespace, pattern):
                return _MODES[mode]
        return "enforce"


Model = TypeVar("Model", bound=Settings)

_MODES: dict[str, LegacyMode] = {"enforce": "enforce", "warn": "warn", "off": "off"}


def load(flags: dict[str, Any], file: Path | None, model: type[Model]) -> Model:
    """Settings from flags over environment over file over defaults.

    Raises ValidationError that names every wrong setting, OSError, ValueError or
    yaml.YAMLError for a file that cannot be read.
    """
    token = _file.set(file)
    try:
        if file:
            text = file.read_text()
            require_bounds(text)
            if not isinstance(yaml.safe_load(text) or {}, dict):
                raise ValueError("it has to be `setting: value` lines")
        return model(**flags)
    finally:
        _file.reset(token)
