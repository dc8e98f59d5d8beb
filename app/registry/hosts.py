"""The hosts that the distribution client may ask."""

import asyncio
import ipaddress
import socket
from collections.abc import Collection

import httpx

from app.cluster.kept_answers import KeptAnswers

_CHECKED = 5.0
"""Seconds until the addresses of a host are checked again."""
_AT_ONCE = 8
_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in ("100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")
)
"""Metadata addresses of Alibaba Cloud, Azure, AWS and Google Cloud that are not link-local."""


class AllowedHosts:
    """Refuses other hosts, and an allowed name that leads to this machine or to a cloud's metadata
    address."""

    def __init__(self, hosts: Collection[str]) -> None:
        """`hosts`: each `host[:port]`."""
        self._hosts = frozenset(hosts)
        self._checked = KeptAnswers(
            _forbidden_address, lambda _: _CHECKED, capacity=len(self._hosts), at_once=_AT_ONCE
        )

    async def require(self, url: httpx.URL) -> None:
        """Raises ValueError."""
        if host_of(url) not in self._hosts:
            raise ValueError(f"host {host_of(url)} is not on the allow-list")
        if url.host == "localhost" or _is_address(url.host):
            return
        if address := await self._checked.of(url.host):
            raise ValueError(f"host {url.host} leads to {address}, which is not asked")


def host_of(url: httpx.URL) -> str:
    """`host[:port]`, the form of allow-lists and docker configs."""
    return url.netloc.decode()


async def _forbidden_address(host: str) -> str:
    """The first address of a name that is not asked, or "". Raises ValueError for an unknown
    name."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ValueError(f"host {host}: {error}") from None
    return next((str(address[0]) for *_, address in found if _is_forbidden(str(address[0]))), "")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_forbidden(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return bool(
        mapped.is_loopback
        or mapped.is_link_local
        or mapped.is_unspecified
        or mapped.is_multicast
        or mapped in _METADATA
    )
