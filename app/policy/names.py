"""Checks the spelling of names and addresses: Kubernetes, DNS, `host[:port]`, OCI, S3."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import takewhile
from operator import eq

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_LABEL_PATTERN = re.compile(_LABEL)
_SUBDOMAIN_PATTERN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_WORD = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = rf"(?:{_LABEL}(?:\.{_LABEL})*/)?{_WORD}"
_VALUE = rf"(?:{_WORD})?"
_LABEL_VALUE = re.compile(_VALUE, re.ASCII)
_VALUES = rf"\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*\s*\)"
_HOLDS = rf"\s*(?:==?|!=)\s*{_VALUE}|\s+(?:not)?in\s*{_VALUES}"
_REQUIREMENT = rf"\s*(?:!\s*{_KEY}|{_KEY}(?:{_HOLDS})?)\s*"
_SELECTOR = re.compile(rf"{_REQUIREMENT}(?:,{_REQUIREMENT})*", re.ASCII)
COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
"""One part of a repository name, as the OCI distribution spec has it."""
_COMPONENT_PATTERN = re.compile(COMPONENT)
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
_IMAGE = re.compile(
    rf"(?:([A-Za-z0-9.-]+(?::[0-9]{{1,5}})?|\[[^\]/]*\](?::[0-9]{{1,5}})?)/)?"
    rf"{COMPONENT}(?:/{COMPONENT})*(?::{TAG})?(?:@sha256:[a-f0-9]{{64}}|@sha512:[a-f0-9]{{128}})?",
    re.ASCII,
)
_HOST_PORT = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?")
_ENDPOINT = re.compile(r"(https?)://([^/?#@\s]+)((?:/[^?#\s]*)?)", re.IGNORECASE)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_SHAPE = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_PLACEHOLDER = re.compile(r"<[^<>]{1,100}>")
_USER_INFORMATION = re.compile(r"^([a-z]+://)?.*@", re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(r"\?.*", re.DOTALL)
_PRIVATE_NETWORKS = tuple(
    ip_network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


def placeholders(text: str) -> list[str]:
    """The placeholders of documentation in a text, such as `<bucket-name>`."""
    return _PLACEHOLDER.findall(text)


def is_label(text: str) -> bool:
    """Whether text is a DNS-1123 label, the form of namespace names."""
    return len(text) <= 63 and bool(_LABEL_PATTERN.fullmatch(text))


def is_subdomain(text: str) -> bool:
    """Whether text is a DNS-1123 subdomain, the form of most Kubernetes names."""
    return len(text) <= 253 and bool(_SUBDOMAIN_PATTERN.fullmatch(text))


def is_label_value(text: str) -> bool:
    """Whether text can be the value of a label of Kubernetes."""
    return bool(_LABEL_VALUE.fullmatch(text))


def is_label_name(text: str) -> bool:
    """Whether text can be the name of a label: `[<DNS subdomain>/]<name>`."""
    prefix, slash, name = text.rpartition("/")
    return bool(name) and is_label_value(name) and (is_subdomain(prefix) if slash else True)


def is_hostname(text: str) -> bool:
    """Whether text is a DNS name, in any case."""
    labels = text.lower().split(".")
    return (
        text.isascii()
        and len(text) <= 253
        and all(is_label(label) for label in labels)
        and not labels[-1].isdigit()
    )


def is_address(text: str) -> bool:
    """Whether text is a DNS name or an IP address, without brackets and port."""
    return is_hostname(text) or _address(text) is not None


def is_component(text: str) -> bool:
    """Whether text can be the first part of a repository name, as every name of a namespace."""
    return bool(_COMPONENT_PATTERN.fullmatch(text))


def is_image(text: str) -> bool:
    """Whether text is `[host[:port]/]path[:tag][@digest]`, as docker and kubelet take it."""
    match = _IMAGE.fullmatch(text)
    return match is not None and (match[1] is None or host_of(match[1]) is not None)


def is_selector(text: str) -> bool:
    """Whether text is a label selector of Kubernetes, such as `team=a,tier in (web, db),!old`."""
    return bool(_SELECTOR.fullmatch(text))


def is_lookup_name(text: str) -> bool:
    """Whether Go's client looks text up as a DNS name: it also accepts `_` in a label."""
    return is_hostname(text.replace("_", "x"))


def host_of(text: str, is_name: Callable[[str], bool] = is_hostname) -> str | None:
    """The host of `host[:port]`; None for other text. An IPv6 address is in brackets.

    `is_name` decides which names are valid.
    """
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        return None
    bracketed, plain, port = match.groups()
    if port is not None and not 1 <= int(port) <= 65535:
        return None
    if bracketed is not None:
        return bracketed if isinstance(_address(bracketed), IPv6Address) else None
    valid = is_name(plain) or isinstance(_address(plain), IPv4Address)
    return plain if valid else None


def is_bucket(text: str) -> bool:
    """Whether text is a valid name of a general purpose bucket of S3."""
    return bool(_BUCKET.fullmatch(text)) and ".." not in text and not _IP_SHAPE.fullmatch(text)


@dataclass(frozen=True)
class Endpoint:
    """The parts of `http(s)://host[:port][/path]`, scheme and host in lower case."""

    scheme: str
    host: str
    path: str

    @property
    def is_internal(self) -> bool:
        """Whether probably only clients in the cluster or its network can reach it."""
        address = _address(self.host)
        if address is not None:
            return _is_private(address)
        labels = self.host.split(".")
        return len(labels) == 1 or "svc" in labels[1:] or labels[-2:] == ["cluster", "local"]

    def holds_bucket(self, bucket: str) -> bool:
        """Whether the bucket is in the path, or before a host that is an S3 endpoint itself:
        `<bucket>.s3.example.com` or `<bucket>.<service>.<namespace>.svc`."""
        endpoint = self.host.removeprefix(f"{bucket}.").split(".")
        is_s3 = len(endpoint) > 2 and (endpoint[0] == "s3" or endpoint[0].startswith("s3-"))
        in_host = self.host.startswith(f"{bucket}.") and (is_s3 or endpoint[2:3] == ["svc"])
        return in_host or bucket in self.path.split("/")

    def may_hold_bucket(self, bucket: str) -> bool:
        """Whether the host begins with the bucket's name, and is no Service of that name:
        `minio.storage` or `minio.storage.svc`."""
        endpoint = self.host.removeprefix(f"{bucket}.").split(".")
        is_service = len(endpoint) == 1 or endpoint[1] == "svc"
        return self.host.startswith(f"{bucket}.") and not is_service


def parse_endpoint(text: str) -> Endpoint | None:
    """The parts of a URL; None if it has user information, a query or a fragment.

    The host is an IP address or a name that Go's client looks up.
    """
    match = _ENDPOINT.fullmatch(text)
    if match is None or not text.isprintable():
        return None
    scheme, address, path = match.groups()
    host = host_of(address, is_lookup_name)
    return Endpoint(scheme.lower(), host.lower(), path) if host else None


def without_credentials(text: str) -> str:
    """An address for messages, without user information and query."""
    return _QUERY.sub("?…", _USER_INFORMATION.sub(r"\1…@", text))


def nearest(name: str, spellings: Mapping[str, str]) -> str | None:
    """The name that was meant, whatever its prefix, case, separators and plural, with one typo.

    `spellings` maps lower-case letters and digits without a final `s` to the right names.
    """
    key = re.sub("[^a-z0-9]", "", name.rpartition("/")[2].lower()).rstrip("s")
    if key in spellings:
        return spellings[key]
    return next((meant for known, meant in spellings.items() if _one_slip(key, known)), None)


def _one_slip(left: str, right: str) -> bool:
    """Whether one letter is missing, added or different, or two neighbours are swapped."""
    same = sum(1 for _ in takewhile(bool, map(eq, left, right)))
    left, right = left[same:], right[same:]
    swapped = right[1::-1] + right[2:]
    return left in (right[1:], swapped) or left[1:] in (right, right[1:])


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    # Not `is_private`: it is also true for the addresses reserved for documentation.
    return (
        address.is_loopback
        or address.is_link_local
        or any(address in network for network in _PRIVATE_NETWORKS)
    )


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name matches one of the patterns, such as `kube-*`."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
