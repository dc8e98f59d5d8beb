"""Translates addresses between the registry and its clients.

A registry names addresses in `Location`, `Link` and `WWW-Authenticate`. The gateway rewrites the
registry's own addresses, so that clients come back to the gateway. A registry may spell the address
of an upload session in any way. If it is not `/v2/<name>/blobs/uploads/<id>`, clients get
`/v2/<name>/blobs/uploads/gw~<seal>.<address>` instead. Only this process can make the seal.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from app.registry.errors import RegistryError
from app.registry.routes import upload_of

_SEALED = "gw~"
_SEAL_BYTES = 16
_URL_IN_LINK = re.compile(r"<([^>]*)>")
_REALM = re.compile(r'(\brealm=")([^"]*)(")', re.IGNORECASE)
_PLAIN = re.compile(r"/[A-Za-z0-9/._~:@!$&'()*+,;=%?-]*", re.ASCII)
"""A path and a query that urljoin would leave as they are."""
_MAX_REALMS = 16


@dataclass(frozen=True)
class Origin:
    """Where the registry is: `http(s)://host[:port]`, and the path before its `/v2/`."""

    base: str
    prefix: str = ""

    @classmethod
    def parse(cls, url: str) -> "Origin":
        parts = urlsplit(url)
        return cls(f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/"))

    @property
    def secure(self) -> bool:
        return self.base.startswith("https:")

    @property
    def host(self) -> str:
        """`host[:port]`."""
        return self.base.partition("://")[2]


class Addresses:
    """Rewrites addresses. Clients ask for paths below `/v2/`, and for those of token services."""

    def __init__(self, origin: Origin, key: bytes = b"") -> None:
        """`key` seals upload sessions. The default is a new random key."""
        self._origin = origin
        self._key = key or secrets.token_bytes(32)
        self.realms: dict[str, str] = {}
        """Maps the path that clients ask for to the path of a token service at the registry."""

    def inside(self, path: str, query: str = "") -> str:
        """The address at the registry for the path that a client asks for.

        Raises RegistryError for a sealed session that this gateway has not made.
        """
        if path in self.realms:
            inside = self.realms[path]
        else:
            inside = self._opened(path) or self._origin.prefix + path
        if query:
            inside += ("&" if "?" in inside else "?") + query
        return self._origin.base + inside

    def outside(self, address: str, asked: str, external: str, *, ours: bool = False) -> str:
        """The address to give to clients. An address on another host stays as it is.

        `asked`: the address that the gateway asked at the registry. `external`: the gateway's
        origin. If the registry gives a path, clients get a path. `ours`: the address belongs to the
        registry, even if its host name is another one.
        """
        origin, path, query = self._resolved(address, asked, external)
        path = path.removeprefix(self._origin.prefix)
        if not (origin == self._origin.base or ours) or not path.startswith("/v2/"):
            return address
        path += query
        return path if address.startswith("/") else external + path

    def session(self, location: str, asked: str, repository: str, external: str) -> str:
        """The address of an upload session to give to clients.

        Raises RegistryError if the session is on another host, where the gateway cannot count
        bytes.
        """
        origin, whole, query = self._resolved(location, asked, external)
        path = whole.removeprefix(self._origin.prefix)
        plain = upload_of(path)
        if plain and str(plain.repository) == repository and not is_sealed(plain.session):
            known = path + query
        elif origin in (self._origin.base, external):
            known = self._sealed(repository, whole + query)
        else:
            host = origin.partition("://")[2]
            raise RegistryError(
                "UNSUPPORTED",
                f"the registry sends uploads to {host}, past this gateway, which cannot count "
                "them there; have the registry answer with addresses of its own",
            )
        return known if location.startswith("/") else external + known

    def link(self, header: str, asked: str, external: str) -> str:
        """A `Link` header for clients."""
        return _URL_IN_LINK.sub(lambda m: f"<{self.outside(m[1], asked, external)}>", header)

    def challenge(self, header: str, external: str) -> str:
        """A `WWW-Authenticate` header for clients. The gateway forwards its realm from then on."""
        return _REALM.sub(lambda m: m[1] + self._realm(m[2], external) + m[3], header)

    def _resolved(self, address: str, asked: str, external: str) -> tuple[str, str, str]:
        """Origin, path, and query with its `?`, of an address that an answer names."""
        for origin in (external, self._origin.base):
            rest = address.removeprefix(origin)
            if rest != address and _PLAIN.fullmatch(rest):
                path, mark, query = rest.partition("?")
                return origin, path, mark + query if query else ""
        parts = urlsplit(urljoin(asked, address))
        query = f"?{parts.query}" if parts.query else ""
        return f"{parts.scheme}://{parts.netloc}", parts.path, query

    def _realm(self, address: str, external: str) -> str:
        if not address.startswith(f"{self._origin.base}/"):
            return address
        parts = urlsplit(address)
        path = parts.path.removeprefix(self._origin.prefix)
        if path not in self.realms and len(self.realms) < _MAX_REALMS:
            self.realms[path] = parts.path
        return external + path + (f"?{parts.query}" if parts.query else "")

    def _sealed(self, repository: str, address: str) -> str:
        seal = self._seal(repository, address.encode())
        session = f"{_SEALED}{_text(seal)}.{_text(address.encode())}"
        return f"/v2/{repository}/blobs/uploads/{session}"

    def _opened(self, path: str) -> str:
        """The registry's own address of a sealed session; empty for any other path."""
        upload = upload_of(path)
        if upload is None or not is_sealed(upload.session):
            return ""
        seal, _, address = upload.session.removeprefix(_SEALED).partition(".")
        try:
            content = urlsafe_b64decode(address + "=" * (-len(address) % 4))
            given = urlsafe_b64decode(seal + "=" * (-len(seal) % 4))
        except ValueError:
            content, given = b"", b""
        if not hmac.compare_digest(given, self._seal(str(upload.repository), content)):
            raise RegistryError(
                "BLOB_UPLOAD_UNKNOWN",
                "this gateway does not know the upload session; start the upload again",
            )
        return content.decode()

    def _seal(self, repository: str, address: bytes) -> bytes:
        message = repository.encode() + b"\0" + address
        return hmac.digest(self._key, message, "sha256")[:_SEAL_BYTES]


def is_sealed(session: str) -> bool:
    return session.startswith(_SEALED)


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
