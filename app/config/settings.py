"""Every setting in one model. Flags win over the environment, a file and the defaults."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import yaml
from pydantic import Field, PositiveInt

from app.config.setting_types import (
    Controllers,
    LabelSelector,
    LegacyMode,
    LegacyModes,
    Names,
    NamespaceName,
    PushProxy,
    RegistryUrl,
    Seconds,
    WebAddress,
    WholeSeconds,
)
from app.config.shared_settings import SharedSettings, settings_file
from app.model.bounded_file import read_bounded
from app.model.yaml_bounds import require_bounds
from app.policy.choices import FollowedTags, ReferenceChecks

if TYPE_CHECKING:
    from app.policy.enforcement import Enforcement


class Settings(SharedSettings):
    """Settings of the webhook."""

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
    followed_tags: FollowedTags = Field(
        "warn",
        description="What to do with a tag that follows a tag of another namespace, which may "
        "point at a larger image later, where image sizes are limited.",
    )
    exempt_users: Names = Field(
        default_factory=list,
        description="Patterns of users whose pushes may pass limits; each such push is recorded.",
    )
    exempt_groups: Names = Field(
        default_factory=list, description="Patterns of groups whose members may do so."
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
        "warn",
        description="What to do with a change of Config/cluster, or a deletion of the registry's "
        "claim, that can lose images.",
    )
    reference_checks: ReferenceChecks = Field(
        "warn",
        description="What to do with a Config/cluster whose claim, storage credentials or "
        "trusted CA is missing or of no use; off looks at none of them.",
    )
    trusted_ca_namespace: NamespaceName | None = Field(
        None,
        description="Namespace of the ConfigMap that trustedCA names; "
        "without it, that of the registry, or openshift-config for openshift.io.",
    )
    controllers: Controllers = Field(
        default_factory=list,
        description="Opt-in controllers, of pull-secrets, s3-credentials and "
        "namespace-limits; none by default.",
    )
    pull_secret_life: WholeSeconds = Field(
        8 * 3600,
        ge=600,
        description="How long a pull secret's token is good for; the API server takes 10m or more.",
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
    limits_selector: LabelSelector = Field(
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
        40.0,
        ge=1,
        allow_inf_nan=False,
        description="Requests per second that a controller makes at most.",
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
        "", description="Name of the cluster in the title of the page and of HTML reports."
    )
    docs_url: WebAddress = Field(
        "",
        description="Where the built documentation is served, such as "
        "https://docs.example.com/registry-admission: on the page, reasons of refusals lead to "
        "their entries in it.",
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
    review_timeout: Seconds = Field(
        8.0, gt=0, description="Longest time for one review, if the API server names no shorter."
    )

    @property
    def ca_namespace(self) -> str:
        return self.trusted_ca_namespace or self.domain.config_namespace or self.registry_namespace

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


Model = TypeVar("Model", bound=SharedSettings)

_MODES: dict[str, LegacyMode] = {"enforce": "enforce", "warn": "warn", "off": "off"}


def load(flags: dict[str, Any], file: Path | None, model: type[Model]) -> Model:
    """Settings from flags over environment over file over defaults.

    Raises ValidationError that names every wrong setting, OSError, ValueError or
    yaml.YAMLError for a file that cannot be read.
    """
    token = settings_file.set(file)
    try:
        if file:
            text = read_bounded(file).decode()
            require_bounds(text)
            if not isinstance(yaml.safe_load(text) or {}, dict):
                raise ValueError("it has to be `setting: value` lines")
        return model(**flags)
    finally:
        settings_file.reset(token)
