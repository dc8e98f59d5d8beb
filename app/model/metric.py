"""What is measured, told once: for the code that measures it, and for the reference."""

from dataclasses import dataclass
from typing import Literal

PREFIX = "registry_admission"


@dataclass(frozen=True)
class Metric:
    """What is measured, for Prometheus' HELP line and for the reference."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The name on `/metrics`, without the `_total` and `_bucket` of its samples."""
        return f"{PREFIX}_{self.name}"

    @property
    def samples(self) -> tuple[str, ...]:
        """The names that queries use."""
        endings = {
            "counter": ("_total",),
            "gauge": ("",),
            "histogram": ("_bucket", "_sum", "_count"),
        }
        return tuple(self.family + ending for ending in endings[self.type])
