"""Types of setting values that pydantic does not have."""

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, AllowInfNan, BeforeValidator, PlainSerializer
from pydantic.fields import FieldInfo

from app.config import durations
from app.model.mode import LEGACY_MODES
from app.policy.names import host_of, is_address, is_label, is_selector, parse_endpoint

Controller = Literal["pull-secrets", "s3-credentials", "namespace-limits"]
CONTROLLERS: tuple[Controller, ...] = get_args(Controller)
PushProxy = Literal["off", "nginx", "haproxy", "traefik", "caddy", "envoy"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "text"]
_WEB_ADDRESS = re.compile(r"https?://[^\s?#]+")


def _comma_separated(value: Any) -> Any:
    """A list: `a,b` in flags and in the environment."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _duration(value: Any) -> Any:
    return durations.seconds(value) if isinstance(value, str) else value


_WITH_UNIT = PlainSerializer(durations.text, when_used="json")


def is_duration(field: FieldInfo) -> bool:
    return _WITH_UNIT in field.metadata


def _legacy_modes(rules: list[str]) -> list[str]:
    for rule in rules:
        pattern, _, mode = rule.rpartition("=")
        if not pattern or mode not in LEGACY_MODES:
            raise ValueError(f"{rule!r} is not <namespace pattern>=enforce|warn|off")
    return rules


def _registry_url(url: str) -> str:
    endpoint = parse_endpoint(url)
    if endpoint is None or endpoint.path.strip("/"):
        raise ValueError("it must be https://host[:port]; credentials belong into registry-auth")
    return url.rstrip("/")


def _hosts(hosts: list[str]) -> list[str]:
    for host in hosts:
        if host_of(host) is None:
            raise ValueError(f"{host!r} is not host[:port]")
    return hosts


def _address(text: str) -> str:
    if text and not is_address(text):
        raise ValueError(f"{text!r} is not a host name or an IP address; give the port with port")
    return text


def _namespace(name: str) -> str:
    if name and not is_label(name):
        raise ValueError(f"{name!r} is not the name of a namespace: use a-z, 0-9 and -")
    return name


def _selector(text: str) -> str:
    if text and not is_selector(text):
        raise ValueError(f"{text!r} is not a label selector such as team=a,tier!=test")
    return text


def _web_address(url: str) -> str:
    if url and _WEB_ADDRESS.fullmatch(url) is None:
        raise ValueError(f"{url!r} is not of the form http(s)://host[:port][/path]")
    return url


Seconds = Annotated[float, BeforeValidator(_duration), AllowInfNan(False), _WITH_UNIT]
"""A duration, in flags and files `5s` or `1m30s`."""
WholeSeconds = Annotated[int, BeforeValidator(_duration), _WITH_UNIT]
Names = Annotated[list[str], BeforeValidator(_comma_separated)]
Hosts = Annotated[Names, AfterValidator(_hosts)]
Controllers = Annotated[list[Controller], BeforeValidator(_comma_separated)]
LegacyModes = Annotated[Names, AfterValidator(_legacy_modes)]
Address = Annotated[str, AfterValidator(_address)]
NamespaceName = Annotated[str, AfterValidator(_namespace)]
LabelSelector = Annotated[str, AfterValidator(_selector)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
RegistryUrl = Annotated[str, AfterValidator(_registry_url)]
