"""Every setting in one model. Flags win over the environment, a file and the defaults."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import yaml
from pydantic import Field, PositiveInt

from app.config.setting_types import (
    Controllers,
    LabelSelector,
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
from app.model.errors import UnusableError, file_problem
from app.model.mode import LEGACY_MODES, LegacyMode
from app.model.yaml_bounds import line_of, require_bounds
from app.policy.choices import FollowedTags, ReferenceChecks
from app.policy.names import matches

if TYPE_CHECKING:
    from app.policy.enforcement import Enforcement


class Settings(SharedSettings):
    """Settings of the webhook."""

    client_ca: Path | None = Field(
        None,
        description="CA certificates of the API servers' client certificates. With this setting, "
        "reviews from other clients are refused.",
    )
    client_names: Names = Field(
        default_factory=list,
        description="Common names that the client certificate of an API server may have; without "
        "this setting, any.",
    )
    certificates: Literal["auto", "secret", "local"] = Field(
        "auto",
        description="Where self-made certificates are kept: in a Secret that all replicas share, "
        "or in a local folder; auto: in the Secret inside a cluster, else in the folder.",
    )
    followed_tags: FollowedTags = Field(
        "warn",
        description="Where image sizes are limited: what to do with a tag that follows a tag of "
        "another namespace, because that tag may point at a larger image later.",
    )
    exempt_users: Names = Field(
        default_factory=list,
        description="Patterns of users whose pushes may exceed limits; each such push is recorded.",
    )
    exempt_groups: Names = Field(
        default_factory=list,
        description="Patterns of groups whose members' pushes may exceed limits; each such push "
        "is recorded.",
    )
    registry_url: RegistryUrl | None = Field(
        None,
        description="Internal registry, https://host[:port], to ask for image sizes that no object "
        "proves; without this setting, no registry is asked.",
    )
    registry_auth: Path | None = Field(
        None, description="Docker config JSON with credentials for registry-url."
    )
    registry_ca: Path | None = Field(
        None, description="CA certificates that verify the certificate of registry-url."
    )
    legacy_modes: LegacyModes = Field(
        default_factory=lambda: ["*=enforce"],
        description="How the limit ConfigMap of the legacy gateway is treated: "
        "<namespace pattern>=enforce|warn|off; the first pattern that fits decides.",
    )
    legacy_namespaces: Names = Field(
        default_factory=lambda: ["cpaas-system"],
        description="Patterns of namespaces in which a ConfigMap with the keys of the legacy "
        "gateway counts as its limit ConfigMap, whatever its name.",
    )
    data_loss_guard: Literal["warn", "deny"] = Field(
        "warn",
        description="What to do with a change of Config/cluster, or a deletion of the registry's "
        "claim, that can lose images.",
    )
    reference_checks: ReferenceChecks = Field(
        "warn",
        description="What to do with a Config/cluster whose claim, storage credentials or "
        "trusted CA is missing or unusable; off: these objects are not read.",
    )
    trusted_ca_namespace: NamespaceName | None = Field(
        None,
        description="Namespace of the ConfigMap that trustedCA names.  [default: the "
        "registry's, or openshift-config for openshift.io; in any other, give the service account "
        "the right to get ConfigMaps]",
    )
    controllers: Controllers = Field(
        default_factory=list,
        description="Opt-in controllers to run: pull-secrets, s3-credentials, namespace-limits.",
    )
    pull_secret_life: WholeSeconds = Field(
        8 * 3600,
        ge=600,
        description="How long the token of a pull secret is valid; the API server accepts 10m or "
        "more.",
    )
    pull_secret_refresh: float = Field(
        0.6,
        gt=0,
        le=0.9,
        description="Share of pull-secret-life after which a token is refreshed at the latest.",
    )
    system_namespaces: Names = Field(
        default_factory=lambda: ["kube-*", "openshift", "openshift-*", "cpaas-*"],
        description="Patterns of the namespaces that ignoreSystemNamespaces ignores, besides the "
        "registry's and the service's own.",
    )
    limits_selector: LabelSelector = Field(
        "",
        description="Labels of the namespaces in which namespace-limits creates limits, such as "
        "team=a; without this setting, in every new namespace that is not a system namespace.",
    )
    rival_managers: Names = Field(
        default_factory=lambda: ["*image-registry-operator*", "openshift-controller-manager*"],
        description="Patterns of field managers of other pull secret controllers. Objects that "
        "they manage are not changed.",
    )
    controller_rate: float = Field(
        40.0,
        ge=1,
        allow_inf_nan=False,
        description="Most requests per second of one controller.",
    )
    push_tokens: Path | None = Field(
        None,
        description="File of bearer tokens for push checks and the page without a cluster. Each "
        "line is <token> <user> <namespace pattern>,…",
    )
    push_proxy: PushProxy = Field(
        "off",
        description="Proxy that calls /v1/push/authorize. Calls in the form of another proxy are "
        "refused.",
    )
    page: Literal["off", "on"] = Field(
        "off", description="Serve a page with limits and refusals at /page."
    )
    cluster_name: str = Field(
        "", description="Name of the cluster in the title of the page and of HTML reports."
    )
    docs_url: WebAddress = Field(
        "",
        description="Address of the built documentation, such as "
        "https://docs.example.com/registry-admission. On the page, the reason of a refusal links "
        "to its entry there.",
    )
    usage_metrics: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Number of namespaces, the fullest first, whose used and hard counts are in "
        "/metrics.",
    )
    push_client_ca: Path | None = Field(
        None,
        description="CA certificates for clients of push checks. A client certificate that one of "
        "these CAs signed replaces a token: its common name is the user, and its organizations "
        "are the groups.",
    )
    max_body_bytes: PositiveInt = Field(8 * 2**20, description="Largest request body, in bytes.")
    max_concurrent_reviews: PositiveInt = Field(
        256, description="Most reviews at the same time; further reviews are refused with 429."
    )
    review_timeout: Seconds = Field(
        8.0,
        gt=0,
        description="Longest time for one review; the API server may ask for a shorter time.",
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
            if matches(namespace, [pattern]):
                return _MODES[mode]
        return "enforce"


class SettingsFileError(UnusableError):
    """A settings file that cannot be read. The text names the file, and the line if known."""


Model = TypeVar("Model", bound=SharedSettings)

_MODES: Mapping[str, LegacyMode] = {mode: mode for mode in LEGACY_MODES}


def load(flags: dict[str, Any], file: Path | None, model: type[Model]) -> Model:
    """Settings from flags over environment over file over defaults.

    Raises ValidationError that names every wrong setting, and SettingsFileError.
    """
    token = settings_file.set(file)
    try:
        if file:
            _require_readable(file)
        return model(**flags)
    finally:
        settings_file.reset(token)


def _require_readable(file: Path) -> None:
    """Raises SettingsFileError for a file that is not a map in YAML."""
    try:
        text = read_bounded(file).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"{file}: {file_problem(error)}") from None
    try:
        require_bounds(text)
        content = yaml.safe_load(text) or {}
    except yaml.MarkedYAMLError as error:
        raise SettingsFileError(f"{file}:{line_of(error, text)}: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise SettingsFileError(f"{file}: {error}") from None
    if not isinstance(content, dict):
        raise SettingsFileError(f"{file}: it has to be `setting: value` lines")
