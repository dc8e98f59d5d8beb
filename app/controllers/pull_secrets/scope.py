"""For whom pull secrets are made, and for which hosts: what Config/cluster says."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property

from app.model.registry import ServedConfig
from app.policy.names import host_of

_MANAGED = ("", "Managed", "Force")


@dataclass(frozen=True)
class Scope:
    """Without hosts it covers nothing: every pull secret goes."""

    hosts: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    """Of the namespaces that are ignored as system namespaces."""

    def covers(self, namespace: str) -> bool:
        return (
            bool(self.hosts)
            and namespace not in self.ignored
            and not self._system.fullmatch(namespace)
        )

    @cached_property
    def _system(self) -> re.Pattern[str]:
        """All patterns in one: it is asked about every ServiceAccount."""
        return re.compile("|".join(map(translate, self.patterns)) or r"(?!)")


NOTHING = Scope()


def scope_of(
    config: ServedConfig | None,
    *,
    internal_hosts: Collection[str],
    system_namespaces: Sequence[str],
) -> Scope:
    """Pull secrets are managed while both the registry and they are, as is the default.

    `system_namespaces` are patterns. The registry's routes are hosts of it, too. A host that is
    none, such as a placeholder, is left out.
    """
    if config is None:
        return NOTHING
    wanted = config.spec.image_pull_secret
    states = (config.spec.management_state, wanted.management_state)
    if any(state not in _MANAGED for state in states):
        return NOTHING
    configured = (host for host in config.registry_hosts if host_of(host))
    system = system_namespaces if wanted.ignore_system_namespaces is not False else ()
    return Scope(
        hosts=tuple(sorted({*internal_hosts, *configured})),
        ignored=frozenset(wanted.ignored_namespaces),
        patterns=tuple(system),
    )
