"""Checks of how the registry is reached, how much it serves at once, and which proxy it uses."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import ip_network

from app.model.registry import ConfigSpec, Proxy, RequestLimits, Route
from app.policy.names import (
    host_of,
    is_hostname,
    is_lookup_name,
    is_subdomain,
    parse_endpoint,
    placeholders,
    without_credentials,
)
from app.policy.operator.field_checks import check_at_least_zero, shown
from app.policy.operator.schedule import parse_duration
from app.policy.verdict import Verdict

_DEFAULT_ROUTE = "default-route"
"""The operator keeps this name for the route of `spec.defaultRoute`, also without that field."""
_PROXY_SCHEMES = {"http", "https", "socks5", "socks5h"}
_NO_PROXY_NAME = re.compile(r"(?:\*?\.)?([^:/*\s]+?)\.?(?::[0-9]{1,5})?")


def check(verdict: Verdict, spec: ConfigSpec) -> None:
    _check_routes(verdict, spec.routes)
    for kind, limits in (("read", spec.requests.read), ("write", spec.requests.write)):
        _check_requests(verdict, f"spec.requests.{kind}", limits)
    _check_proxy(verdict, spec.proxy)
    _check_storage_is_reached(verdict, spec)


def repeated(values: Iterable[str]) -> list[str]:
    """Values that occur more than once, in any case. Unset values do not count."""
    counts = Counter(value.lower() for value in values if value)
    return [value for value, count in counts.items() if count > 1]


def _check_routes(verdict: Verdict, routes: list[Route]) -> None:
    for name in repeated(route.name for route in routes):
        verdict.deny(
            "DuplicateRouteName",
            f"spec.routes has the name {shown(name)} more than once",
            "give every route a name of its own",
        )
    for hostname in repeated(route.hostname for route in routes):
        verdict.deny(
            "DuplicateRouteHostname",
            f"spec.routes has the hostname {shown(hostname)} more than once",
            "give every route a hostname of its own",
        )
    for index, route in enumerate(routes):
        path, hostname, secret = f"spec.routes[{index}]", route.hostname, route.secret_name
        if route.name == _DEFAULT_ROUTE:
            verdict.deny(
                "InvalidRouteName",
                f"{path}.name is {_DEFAULT_ROUTE}, which the operator keeps for its own route",
                "give the route another name",
            )
        elif not is_subdomain(route.name) and not placeholders(route.name):
            verdict.deny(
                "InvalidRouteName",
                f"{path}.name is {shown(route.name)}, which no route can be named",
                "write it in lower-case letters, digits, dots and hyphens",
            )
        if secret and not is_subdomain(secret) and not placeholders(secret):
            verdict.deny(
                "InvalidRouteSecretName",
                f"{path}.secretName is {shown(secret)}, which no Secret can be named",
                "set it to the name of the Secret with the certificate of the route",
            )
        if hostname and not is_hostname(hostname) and not placeholders(hostname):
            verdict.deny(
                "InvalidRouteHostname",
                f"{path}.hostname is {shown(hostname)}, not a DNS name",
                "write it without scheme, port and path, such as registry.example.com",
            )


def _check_requests(verdict: Verdict, path: str, limits: RequestLimits) -> None:
    running, queued = limits.max_running, limits.max_in_queue
    check_at_least_zero(verdict, "InvalidRequestLimit", f"{path}.maxRunning", running)
    check_at_least_zero(verdict, "InvalidRequestLimit", f"{path}.maxInQueue", queued)
    if queued > 0 and running == 0:
        verdict.warn(f"{path}.maxInQueue has no effect without maxRunning: nothing has to wait")
    text = limits.max_wait_in_queue
    wait = parse_duration(text) if text else timedelta()
    if (wait is None or wait < timedelta()) and not placeholders(text):
        verdict.deny(
            "InvalidRequestLimit",
            f"{path}.maxWaitInQueue is {shown(text)}, not a duration of 0s or more",
            "write it with h, m and s, such as 30s",
        )


def _check_proxy(verdict: Verdict, proxy: Proxy) -> None:
    for path, text in (("spec.proxy.http", proxy.http), ("spec.proxy.https", proxy.https)):
        if text and not _is_proxy(text) and not placeholders(text):
            verdict.deny(
                "InvalidProxy",
                f"{path} is {shown(without_credentials(text))}, not http(s)://host[:port]",
                "write it with scheme and port, such as http://proxy.example.com:3128",
            )
    for entry in filter(None, map(str.strip, proxy.no_proxy.split(","))):
        if not _is_no_proxy(entry) and not placeholders(entry):
            verdict.deny(
                "InvalidProxy",
                f"spec.proxy.noProxy has {shown(entry)}, which matches no host",
                "separate host names, .domains, addresses and networks by commas, without scheme, "
                "path and pattern",
            )


def _is_proxy(text: str) -> bool:
    """Whether the registry can use an address as a proxy. User information is allowed."""
    scheme, separator, rest = text.rpartition("://")
    address = rest.rpartition("@")[2].removesuffix("/")
    if separator and scheme.lower() not in _PROXY_SCHEMES:
        return False
    endpoint = parse_endpoint(f"http://{address}")
    return endpoint is not None and not endpoint.path


def _is_no_proxy(entry: str) -> bool:
    if entry == "*" or _is_network(entry) or host_of(entry) is not None:
        return True
    match = _NO_PROXY_NAME.fullmatch(entry)
    return match is not None and is_lookup_name(match[1])


def _is_network(text: str) -> bool:
    try:
        ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return False
    return True


def _check_storage_is_reached(verdict: Verdict, spec: ConfigSpec) -> None:
    """Warn about object storage inside of the cluster, to which the registry goes by a proxy."""
    s3, proxy = spec.storage.s3, spec.proxy
    endpoint = parse_endpoint(s3.region_endpoint) if s3 else None
    if endpoint is None or not endpoint.is_internal:
        return
    used = proxy.https if endpoint.scheme == "https" else proxy.http
    if used and not _is_exempt(endpoint.host, proxy.no_proxy):
        verdict.warn(
            f"spec.proxy.noProxy does not name {endpoint.host}, and the registry reaches its "
            "storage by the proxy: add the host unless the proxy can reach it"
        )


def _is_exempt(host: str, no_proxy: str) -> bool:
    """Whether an entry matches a host; an entry that is a network may match any address."""
    for entry in map(str.strip, no_proxy.lower().split(",")):
        has_port = entry.count(":") == 1 or "]:" in entry
        domain = entry.rpartition(":")[0].strip("[]") if has_port else entry
        domain = domain.removeprefix("*").removeprefix(".")
        if entry == "*" or (domain and (host == domain or host.endswith(f".{domain}"))):
            return True
        if "/" in entry and _is_network(entry) and _is_network(host):
            return True
    return False
