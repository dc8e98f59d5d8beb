"""An overview of a state that tests set by hand."""

import time
from collections.abc import Callable, Iterable

from app.model.image import StoredImage
from app.page.growth import Growth
from app.page.overview_cache import OverviewCache
from app.page.stored_sizes import StoredSizes
from tests.unit.stores import DOMAIN, FakeState


def overview(
    state: FakeState,
    namespaces: Callable[[], Iterable[str]],
    clock: Callable[[], float] = time.monotonic,
) -> OverviewCache:
    """Stored sizes before the first Image is read."""

    async def read(_: str) -> StoredImage | None:
        return None

    sizes, growth = StoredSizes(state, namespaces, read), Growth(state, namespaces)
    return OverviewCache(state, namespaces, DOMAIN, sizes, growth, clock)
