"""The namespaces and registry hosts for which pull secrets are made, by Config/cluster."""

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
    """Without hosts it covers no namespace, and every pull secret is deleted."""

    hosts: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    """Patterns of the namespaces that are ignored as system namespaces."""

    def covers(self, namespace: str) -> bool:
        return (
            bool(self.hosts)
            and namespace not in self.ignored
            and not self._system.fullmatch(namespace)
        )

    @cached_property
    def _system(self) -> re.Pattern[str]:
        """All patterns in one: every ServiceAccount is matched against it."""
        return re.compile("|".join(map(translate, self.patterns)) or r"(?!)")


NOTHING = Scope()


def scope_of(
    config: ServedConfig | None,
    *,
    internal_hosts: Collection[str],
    system_namespaces: Sequence[str],
) -> Scope:
    """The scope that Config/cluster asks for: all namespaces, unless the registry or its pull
    secrets are not managed.

    `system_namespaces` are patterns. Routes of the registry are hosts too. Text that is no host,
    such as a placeholder, is left out.
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
