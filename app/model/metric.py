"""The description of a metric, for the code that measures and for the reference page."""

from dataclasses import dataclass
from typing import Literal

PREFIX = "registry_admission"


@dataclass(frozen=True)
class Metric:
    """A metric with its help text."""

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
        """The names of the time series, which queries use."""
        endings = {
            "counter": ("_total",),
            "gauge": ("",),
            "histogram": ("_bucket", "_sum", "_count"),
        }
        return tuple(self.family + ending for ending in endings[self.type])
