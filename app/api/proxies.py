"""Reads the client's request from a proxy's question. Each proxy has a row with its headers.

The row of the proxy in the settings is used. A header of another row, or a header that occurs
twice, may come from the proxy's client, so such a question is refused.
"""

from collections import Counter
from dataclasses import dataclass

from starlette.datastructures import Headers

from app.api.body import declared_length
from app.config.setting_types import PushProxy


@dataclass(frozen=True)
class Asked:
    """The client's request that a proxy asks about."""

    method: str
    path: str
    """As the client sent it."""
    query: str
    length: int | None
    """Bytes of its body; None if the proxy does not name the length."""


class AmbiguousRequestError(Exception):
    """The question does not name exactly one request. The text gives the reason."""


@dataclass(frozen=True)
class _Row:
    """Names of headers, in lower case. A proxy without names sends the client's method, and the
    client's path after the path of this service."""

    method: str = ""
    target: str = ""
    """The path with its query."""
    length: str = ""

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.method, self.target, self.length}) - {""}


_ORIGINAL = _Row("x-original-method", "x-original-uri", "x-original-content-length")
_FORWARDED = _Row("x-forwarded-method", "x-forwarded-uri")
_ROWS: dict[PushProxy, _Row] = {
    "nginx": _ORIGINAL,
    "haproxy": _ORIGINAL,
    "traefik": _FORWARDED,
    "caddy": _FORWARDED,
    "envoy": _Row(),
}
_KNOWN = frozenset(name for row in _ROWS.values() for name in row.names)


def asked_by(proxy: PushProxy, method: str, target: str, headers: Headers) -> Asked:
    """The client's request, from the question of `proxy`.

    `method`: of the question. `target`: path and query of the question, after this service's own
    path. Raises AmbiguousRequestError.
    """
    if proxy == "off":
        raise AmbiguousRequestError("no proxy is configured; set push-proxy to the proxy's name")
    row = _ROWS[proxy]
    counted = Counter(name for name in headers if name in _KNOWN or name == "authorization")
    for name, times in counted.items():
        if times > 1:
            raise AmbiguousRequestError(f"{name} is there {times} times; send it once")
        if name in _KNOWN - row.names:
            raise AmbiguousRequestError(f"push-proxy is {proxy}, which has no {name}; remove it")
    if row.names:
        if target:
            raise AmbiguousRequestError(f"push-proxy is {proxy}, which asks below no path")
        method, target = _header(proxy, headers, row.method), _header(proxy, headers, row.target)
    if not target.startswith("/"):
        raise AmbiguousRequestError(f"push-proxy is {proxy}, and the question names no path")
    path, _, query = target.partition("?")
    return Asked(method, path, query, _length(headers.get(row.length, "")))


def _header(proxy: PushProxy, headers: Headers, name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise AmbiguousRequestError(f"push-proxy is {proxy}, and {name} is missing")
    return value


def _length(text: str) -> int | None:
    length = declared_length(text)
    if text and length is None:
        raise AmbiguousRequestError("the declared length of the body is not a number")
    return length
