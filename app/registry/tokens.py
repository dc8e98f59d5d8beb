"""The registry token protocol: a challenge, a token service, a token for one scope."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol

import httpx
from cachetools import TLRUCache
from pydantic import BaseModel, Field, ValidationError

from app.model.base import problems
from app.registry.credentials import Credentials

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_DEFAULT_LIFE = 60.0
"""Seconds that a token without `expires_in` is valid: the default of the token protocol."""
_MARGIN = 10.0
_CAPACITY = 1000
_CLIENT = "registry-admission"


@dataclass(frozen=True)
class Challenge:
    """A `WWW-Authenticate` header."""

    scheme: str = ""
    realm: str = ""
    service: str = ""

    @classmethod
    def parse(cls, header: str) -> "Challenge":
        scheme, _, rest = header.partition(" ")
        parameters = dict(_PARAMETER.findall(rest))
        realm, service = parameters.get("realm", ""), parameters.get("service", "")
        return cls(scheme.lower(), realm, service)


class _Answer(BaseModel):
    """The fields of a token service's answer that are read."""

    token: str | None = None
    access_token: str | None = None
    expires_in: Annotated[float, Field(allow_inf_nan=False)] | None = None


class Send(Protocol):
    """Sends a request to a token service. It also refuses hosts that are not allowed."""

    async def __call__(
        self, method: str, url: str, headers: dict[str, str], data: dict[str, str] | None = None
    ) -> bytes: ...


class Tokens:
    """`Authorization` headers, cached by scope until their tokens expire."""

    def __init__(
        self, credentials: Credentials, send: Send, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._credentials = credentials
        self._send = send
        self._basic = False
        self._headers: TLRUCache[str, tuple[str, float]] = TLRUCache(
            _CAPACITY, lambda _, value, now: now + value[1], timer=clock
        )
        """Headers by scope, and the seconds for which they are valid."""

    def header(self, scope: str) -> str:
        """The header to send without a challenge; empty if none is known."""
        if self._credentials.registry_token:
            return f"Bearer {self._credentials.registry_token}"
        if self._basic:
            return self._credentials.basic
        header, _ = self._headers.get(scope, ("", 0.0))
        return header

    async def answer(self, challenge: Challenge, scope: str) -> str:
        """The header for a challenge; empty if there are no credentials.

        Raises ValueError if the token service violates the protocol.
        """
        if challenge.scheme == "basic":
            self._basic = True
            return self._credentials.basic
        if challenge.scheme != "bearer" or not challenge.realm:
            return ""
        try:
            answer = _Answer.model_validate_json(await self._request(challenge, scope))
        except ValidationError as error:
            raise ValueError(f"{challenge.realm}: {next(problems(error))}") from None
        token = answer.token or answer.access_token
        if not token:
            raise ValueError(f"{challenge.realm}: no token in its answer")
        life = (answer.expires_in or _DEFAULT_LIFE) - _MARGIN
        self._headers[scope] = f"Bearer {token}", life
        return f"Bearer {token}"

    async def _request(self, challenge: Challenge, scope: str) -> bytes:
        about = {"service": challenge.service, "scope": scope}
        if self._credentials.identity_token:
            grant = {"grant_type": "refresh_token", "client_id": _CLIENT}
            data = {**about, **grant, "refresh_token": self._credentials.identity_token}
            return await self._send("POST", challenge.realm, {}, data)
        basic = self._credentials.basic
        url = str(httpx.URL(challenge.realm).copy_merge_params(about))
        return await self._send("GET", url, {"Authorization": basic} if basic else {})
