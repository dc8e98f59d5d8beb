"""Types of setting values that pydantic does not have."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator

from app.policy.names import host_of, parse_endpoint

LegacyMode = Literal["enforce", "warn", "off"]
Controller = Literal["pull-secrets", "s3-credentials", "namespace-limits"]
CONTROLLERS: tuple[Controller, ...] = get_args(Controller)
PushProxy = Literal["off", "nginx", "haproxy", "traefik", "caddy", "envoy"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "text"]


def _comma_separated(value: Any) -> Any:
    """A list: `a,b` in flags and in the environment."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _legacy_modes(rules: list[str]) -> list[str]:
    for rule in rules:
        pattern, _, mode = rule.rpartition("=")
        if not pattern or mode not in get_args(LegacyMode):
            raise ValueError(f"{rule!r} is not <namespace pattern>=enforce|warn|off")
    return rules


def _registry_url(url: str) -> str:
    endpoint = parse_endpoint(url)
    if endpoint is None or endpoint.path.strip("/"):
        raise ValueError("it must be https://host[:port]; credentials belong into registry_auth")
    return url.rstrip("/")


def _hosts(hosts: list[str]) -> list[str]:
    for host in hosts:
        if host_of(host) is None:
            raise ValueError(f"{host!r} is not host[:port]")
    return hosts


Names = Annotated[list[str], BeforeValidator(_comma_separated)]
Hosts = Annotated[Names, AfterValidator(_hosts)]
Controllers = Annotated[list[Controller], BeforeValidator(_comma_separated)]
LegacyModes = Annotated[Names, AfterValidator(_legacy_modes)]
RegistryUrl = Annotated[str, AfterValidator(_registry_url)]
