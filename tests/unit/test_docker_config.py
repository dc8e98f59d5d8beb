"""Credentials for a registry in a docker config."""

import base64
import json
from pathlib import Path

import pytest

from app.registry import credentials
from app.registry.credentials import Credentials, CredentialsError

USER = Credentials("user", "secret")
AUTH = base64.b64encode(b"user:secret").decode()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param({"auth": AUTH}, USER, id="auth"),
        pytest.param({"username": "user", "password": "secret"}, USER, id="username"),
        pytest.param({"identitytoken": "i"}, Credentials(identity_token="i"), id="identity token"),
        pytest.param({"registrytoken": "r"}, Credentials(registry_token="r"), id="token"),
    ],
)
def test_credentials_are_read_from_a_docker_config(
    tmp_path: Path, entry: dict[str, str], expected: Credentials
) -> None:
    path = tmp_path / "config.json"
    auths = {"registry:5000": entry, "https://index.docker.io/v1/": entry}
    path.write_text(json.dumps({"auths": auths}))

    assert credentials.read(path) == {"registry:5000": expected, "index.docker.io": expected}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "Invalid JSON", id="no JSON"),
        pytest.param('{"auths": {"r": {"auth": "!"}}}', "is not base64", id="no base64"),
        pytest.param('{"auths": {"r": {"auth": "YQ=="}}}', "is not base64", id="no password"),
        pytest.param(None, "No such file", id="no file"),
    ],
)
def test_invalid_docker_config_is_an_error(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)

    with pytest.raises(CredentialsError, match=f"config.json: .*{message}"):
        credentials.read(path)
