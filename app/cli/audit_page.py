"""The audit as one HTML file without external resources, for light and dark mode. It can be read
without scripts; the search needs one."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from app.cli import names
from app.policy.fullness import Level
from app.reporting.audit import SEVERITIES, NamespaceAudit, severity, worst_first
from app.reporting.html.environment import environment
from app.reporting.numbers import amount

_DETAILED = 500
"""The number of namespaces with details, the worst first. The others have one line each, to keep
the file small."""
_ROWS = 10
"""The number of objects over a limit that are listed for each namespace."""
_OPEN = 3
"""The number of namespaces whose details are open at first, if at most `_FEW` are over a limit."""
_FEW = 10
_TAGS = 3


def render(
    audits: Sequence[NamespaceAudit], *, now: datetime, proposed: bool, cluster: str = ""
) -> str:
    """The page. `proposed`: whether the audit tried limits that are not in force. `cluster`: the
    name that readers know the cluster by."""
    templates = environment("app.cli")
    templates.filters |= {
        "amount": amount,
        "percent": _percent,
        "severity": severity,
        "short": names.digest,
    }
    ordered = worst_first(list(audits))
    over = [item for item in ordered if item.over]
    fine = [item for item in ordered if not item.over]
    counts = Counter(item.severity for item in over)
    return templates.get_template("audit.html.j2").render(
        over=over,
        within=[item for item in fine if not item.unlimited],
        unlimited=[item for item in fine if item.unlimited],
        unknown=[item for item in ordered if item.unknown_sizes],
        severities=[(name, counts[name]) for name in SEVERITIES],
        count=len(ordered),
        now=now,
        proposed=proposed,
        cluster=cluster,
        detailed=_DETAILED,
        rows=_ROWS,
        opened=_OPEN if len(over) <= _FEW else 0,
        named=_TAGS,
    )


def _percent(level: Level) -> int:
    """The limit as a percentage of the use."""
    allowed = level.hard.floor if level.hard else 0
    return max(0, 100 * allowed // level.used)
