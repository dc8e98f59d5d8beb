"""Settings of the gateway, besides those that it shares with the webhook."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveInt

from app.config.setting_types import Hosts, Seconds
from app.config.shared_settings import SharedSettings

_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", re.ASCII)


def _origin(text: str) -> str:
    """`http(s)://host[:port]`, without the `/` at its end."""
    origin = text.removesuffix("/")
    if _ORIGIN.fullmatch(origin) is None:
        raise ValueError(f"{text!r} is not of the form http(s)://host[:port]")
    return origin


def _registry(text: str) -> str:
    """`http(s)://host[:port][/path]`, the path without a `/` at its end."""
    address = text.rstrip("/")
    origin = _ORIGIN.match(address)
    if origin is None or _PATH.fullmatch(address, origin.end()) is None:
        raise ValueError(f"{text!r} is not of the form http(s)://host[:port][/path]")
    return address


Origin = Annotated[str, AfterValidator(_origin)]
RegistryAddress = Annotated[str, AfterValidator(_registry)]


class GatewaySettings(SharedSettings):
    """Flags, environment and file work as they do for the webhook."""

    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    tls_dir: Path | None = Field(
        None,
        description="Folder with tls.crt and tls.key, reloaded when they change. "
        "Without it, the gateway speaks plain HTTP.",
    )
    upstream: RegistryAddress = Field(
        description="Registry behind the gateway, http(s)://host[:port], with the path before "
        "its /v2/ if there is one."
    )
    upstream_ca: Path | None = Field(
        None, description="CA certificates that verify the registry, instead of the system's."
    )
    upstream_auth: Path | None = Field(
        None,
        description="Docker config JSON with credentials that may read the registry's catalog "
        "and manifests.",
    )
    upstream_token_hosts: Hosts = Field(
        default_factory=list,
        description="Hosts of the registry's token service, if it is on another host.",
    )
    upstream_storage_hosts: Hosts = Field(
        default_factory=list,
        description="Storage hosts that the registry redirects to for blobs, host[:port]; they "
        "are asked how large a blob is.",
    )
    upstream_timeout: Seconds = Field(
        300.0, gt=0, description="How long the registry may take to answer."
    )
    external_url: Origin | None = Field(
        None,
        description="Address of the gateway for clients, http(s)://host[:port]. Without this "
        "setting, it is derived from X-Forwarded-Proto, X-Forwarded-Host and Host.",
    )
    database: Path = Field(
        Path("gateway.db"),
        description="File with the contents of a plain registry; used with --state only.",
    )
    repositories: Path | None = Field(
        None,
        description="File of repository names, one a line, for a registry without a catalog or "
        "with one that may not be read. Other repositories are read at their first push.",
    )
    untagged_grace: Seconds = Field(
        900.0,
        gt=0,
        description="How long an image without a tag counts after its push; its tag or index may "
        "still come.",
    )
    compare_interval: Seconds = Field(
        600.0,
        gt=0,
        description="Time between two comparisons of the database with the registry.",
    )
    max_uploads: PositiveInt = Field(
        64, description="Most blob uploads at the same time; further uploads wait."
    )
    upload_wait: Seconds = Field(
        30.0,
        gt=0,
        description="How long an upload waits before it is refused with 429. Namespaces get "
        "free places in turn.",
    )
    page_tokens: Path | None = Field(
        None,
        description="File of bearer tokens for /page. Each line is <token> <user> <namespace "
        "pattern>,… Without this setting there is no page. It needs --state.",
    )
    idle_timeout: Seconds = Field(
        60.0,
        gt=0,
        description="Longest time for a client to send or receive the next 16 KiB.",
    )
