"""The names of the registry's repositories, from its catalog and from a file."""

import logging
from pathlib import Path

from app.model.bounded_file import read_bounded
from app.model.errors import UnusableError
from app.registry.client import NoCatalogError, RegistryClient, RegistryUnavailableError
from app.registry.errors import RegistryError
from app.registry.names import Repository, parse_repository

logger = logging.getLogger("registry_admission.inventory")

_NO_RIGHTS = frozenset({401, 403})


class RepositoryFileError(UnusableError):
    """The file of repository names cannot be used. The text has file, line and problem."""


class Catalog:
    """Lists the repositories `<namespace>/<stream>`, and leaves out names without a namespace."""

    def __init__(self, client: RegistryClient, named: frozenset[Repository]) -> None:
        """`named`: repositories to list besides the registry's catalog, or instead of it."""
        self._client = client
        self._named = named

    async def repositories(self) -> set[Repository]:
        """Raises RegistryUnavailableError.

        If the registry has no catalog, the result is the named repositories. The gateway reads
        every other repository at its first push.
        """
        found = set(self._named)
        try:
            async for name in self._client.repositories():
                try:
                    found.add(parse_repository(name))
                except RegistryError:
                    logger.debug("belongs to no namespace", extra={"repository": name})
        except NoCatalogError as error:
            logger.info("registry has no catalog", extra={"problem": str(error)})
        except RegistryUnavailableError as error:
            if not (self._named and error.status in _NO_RIGHTS):
                raise
            logger.info("catalog may not be read", extra={"problem": str(error)})
        return found


def read_names(file: Path) -> frozenset[Repository]:
    """One repository a line; empty lines and lines that begin with # are left out.

    Raises RepositoryFileError.
    """
    try:
        lines = read_bounded(file).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RepositoryFileError(f"{file}: {error}") from None
    found: set[Repository] = set()
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith("#"):
            try:
                found.add(parse_repository(line))
            except RegistryError as error:
                raise RepositoryFileError(f"{file}:{number}: {error}") from None
    return frozenset(found)
