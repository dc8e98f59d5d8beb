"""Reads from the Image API what stored Images say of their size, by digest."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping

from pydantic import ValidationError

from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.model.domain import ApiDomain
from app.model.image import Image, ImageClaim
from app.quota.state import StateUnavailableError

_CAPACITY = 50_000
_AT_ONCE = 32
_FRESH = 3.0
"""Seconds for which an answer that may change is kept: an Image that does not exist yet, or an
Image that only declares its size and may declare another after an update."""

Claims = Mapping[str, ImageClaim]


class ImageClaims:
    """Keeps what follows from the digest, and other answers for seconds.

    Concurrent questions about one digest cost one request, and the number of requests at a time is
    bounded.
    """

    def __init__(
        self,
        api: KubeApi,
        domain: ApiDomain,
        capacity: int = _CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._path = f"/apis/{domain.image_group}/v1/images"
        self._capacity = capacity
        self._clock = clock
        self._known: OrderedDict[str, tuple[ImageClaim | None, float]] = OrderedDict()
        self._asked: dict[str, asyncio.Task[ImageClaim | None]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def of(self, digest: str) -> ImageClaim | None:
        """What the Image says; None if no Image of that digest exists, or none that can be read.

        Raises StateUnavailableError if the Image API does not respond.
        """
        if "/" in digest:
            return None
        claim, until = self._known.get(digest, (None, 0.0))
        if until > self._clock():
            self._known.move_to_end(digest)
            return claim
        task = self._asked.get(digest)
        if task is None:
            task = asyncio.create_task(self._ask(digest))
            self._asked[digest] = task
            task.add_done_callback(lambda _: self._asked.pop(digest, None))
        return await asyncio.shield(task)

    async def _ask(self, digest: str) -> ImageClaim | None:
        try:
            async with self._turns:
                content = await self._api.get(f"{self._path}/{digest}")
            claim = Image.model_validate(content).claim
        except (NotFoundError, ValidationError):
            claim = None
        except ApiError as error:
            raise StateUnavailableError(f"the size of {digest} is not known: {error}") from None
        kept = math.inf if claim is not None and claim.proven else self._clock() + _FRESH
        self._known[digest] = claim, kept
        self._known.move_to_end(digest)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return claim


async def with_listed(
    claims: Claims,
    ask: Callable[[Collection[str]], Awaitable[Claims]],
    at_most: float = math.inf,
) -> dict[str, ImageClaim]:
    """The claims, and those of all images that they list, directly or through another index.

    At most `at_most` listed images are asked for; the others stay unknown.
    """
    found = dict(claims)
    asked: set[str] = set(found)
    waiting = _listed(found.values(), asked)
    while waiting and (at_most := at_most - len(waiting)) >= 0:
        asked.update(waiting)
        found |= await ask(waiting)
        waiting = _listed(found.values(), asked)
    return found


def _listed(claims: Collection[ImageClaim], asked: Collection[str]) -> list[str]:
    listed = dict.fromkeys(child for claim in claims for child in claim.children)
    return [child for child in listed if child not in asked]
