"""Reads credentials from a docker config JSON, as in `kubernetes.io/dockerconfigjson` Secrets."""

import base64
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from app.model.base import problems
from app.model.bounded_file import read_bounded
from app.model.errors import UnusableError


class CredentialsError(UnusableError):
    """The docker config cannot be used. The text names the file and the fault."""


class _Entry(BaseModel):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""
    registrytoken: str = ""


class _DockerConfig(BaseModel):
    auths: dict[str, _Entry] = Field(default_factory=dict)


@dataclass(frozen=True)
class Credentials:
    """Credentials for one registry; empty if there are none."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """An OAuth2 refresh token, exchanged for access tokens."""
    registry_token: str = field(default="", repr=False)
    """An access token, sent unchanged."""

    @property
    def basic(self) -> str:
        """The `Authorization` header for basic authentication; empty without a username."""
        if not self.username:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


NO_CREDENTIALS = Credentials()


def read(path: Path) -> dict[str, Credentials]:
    """Credentials by host, `host[:port]`. Raises CredentialsError."""
    try:
        config = _DockerConfig.model_validate_json(read_bounded(path))
        return {_host(name): _credentials(entry) for name, entry in config.auths.items()}
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise CredentialsError(f"{path}: {'; '.join(problems(error))}") from None
    except ValueError:
        raise CredentialsError(f"{path}: an auth is not base64 of <username>:<password>") from None


def _host(name: str) -> str:
    """Docker writes some keys as URLs, such as `https://index.docker.io/v1/`."""
    return name.partition("://")[2].partition("/")[0] if "://" in name else name.partition("/")[0]


def _credentials(entry: _Entry) -> Credentials:
    username, password = entry.username, entry.password
    if entry.auth:
        decoded = base64.b64decode(entry.auth, validate=True).decode()
        username, colon, password = decoded.partition(":")
        if not colon:
            raise ValueError(decoded)
    return Credentials(username, password, entry.identitytoken, entry.registrytoken)
