"""A small OpenID Connect provider, which signs everybody in as the same user."""

import base64
import json
import secrets
import ssl
import threading
import time
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.certs import files

_KEY_ID = "key"
_LIFE = 3600


class IdentityProvider(AbstractContextManager["IdentityProvider"]):
    """Serves discovery, keys, authorization and tokens on a free port of this machine."""

    def __init__(self, folder: Path, client: str, email: str, groups: list[str]) -> None:
        self.client, self.email, self.groups = client, email, groups
        self.secret = secrets.token_hex(16)
        self.ca_file = folder / files.AUTHORITY
        files.make(folder, ["127.0.0.1"])
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._nonces: dict[str, str] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.get(self)

            def do_POST(self) -> None:
                provider.issue(self)

            def log_message(self, *_: object) -> None:
                """Nothing: a failed test shows what the browser got."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / files.CERTIFICATE, folder / files.KEY)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.issuer = f"https://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "IdentityProvider":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def get(self, request: BaseHTTPRequestHandler) -> None:
        address = urlsplit(request.path)
        match address.path:
            case "/.well-known/openid-configuration":
                _answer(request, self._discovery())
            case "/keys":
                _answer(request, {"keys": [self._public_key()]})
            case "/authorize":
                self._authorize(request, parse_qs(address.query))
            case _:
                request.send_error(404)

    def issue(self, request: BaseHTTPRequestHandler) -> None:
        """The ID token for a code."""
        length = int(request.headers["Content-Length"])
        form = parse_qs(request.rfile.read(length).decode())
        nonce = self._nonces.pop(form["code"][0])
        _answer(
            request,
            {"id_token": self.token(nonce), "access_token": secrets.token_hex(8),
             "token_type": "Bearer", "expires_in": _LIFE},
        )  # fmt: skip

    def token(self, nonce: str = "") -> str:
        """An ID token of the user."""
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "1", "aud": self.client, "iat": now, "exp": now + _LIFE,
            "nonce": nonce, "email": self.email, "email_verified": True, "groups": self.groups,
        }  # fmt: skip
        header = {"alg": "RS256", "kid": _KEY_ID, "typ": "JWT"}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"

    def _authorize(self, request: BaseHTTPRequestHandler, query: dict[str, list[str]]) -> None:
        """The sign-in page, which asks for no password."""
        code = secrets.token_hex(16)
        self._nonces[code] = query.get("nonce", [""])[0]
        answer = urlencode({"code": code, "state": query["state"][0]})
        request.send_response(302)
        request.send_header("Location", f"{query['redirect_uri'][0]}?{answer}")
        request.end_headers()

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _public_key(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        return {
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": _KEY_ID,
            "n": _encoded(numbers.n.to_bytes(256)), "e": _encoded(numbers.e.to_bytes(3)),
        }  # fmt: skip


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _answer(request: BaseHTTPRequestHandler, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
