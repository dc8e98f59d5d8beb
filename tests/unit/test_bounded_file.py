"""Files of settings, tokens and names are read within a bound."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.auth.authentication import StaticTokens
from app.config.settings import Settings, SettingsFileError, load
from app.gateway.catalog import RepositoryFileError, read_names
from app.model import bounded_file
from app.registry import credentials
from app.registry.credentials import CredentialsError


@pytest.mark.parametrize(
    ("read", "error"),
    [
        pytest.param(credentials.read, CredentialsError, id="docker config"),
        pytest.param(StaticTokens, OSError, id="tokens"),
        pytest.param(read_names, RepositoryFileError, id="repositories"),
        pytest.param(lambda path: load({}, path, Settings), SettingsFileError, id="settings"),
    ],
)
def test_file_without_end_is_refused(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object], error: type[Exception]
) -> None:
    monkeypatch.setattr(bounded_file, "MAX_BYTES", 2**20)

    with pytest.raises(error, match="larger than 1 MiB"):
        read(Path("/dev/zero"))
