"""Sizes of known images, asked of the Image API by digest."""

import asyncio
from collections import OrderedDict

from pydantic import ValidationError

from app.cluster.api import ApiError, KubeApi, NotFoundError
from app.model.domain import ApiDomain
from app.model.image import Image
from app.quota.state import StateUnavailableError

_CAPACITY = 50_000


class ImageSizes:
    """A digest never changes what it stands for, so a size once known is kept.

    Many who wait for one digest cost one request.
    """

    def __init__(self, api: KubeApi, domain: ApiDomain, capacity: int = _CAPACITY) -> None:
        self._api = api
        self._path = f"/apis/{domain.image_group}/v1/images"
        self._capacity = capacity
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._asked: dict[str, asyncio.Task[int | None]] = {}

    async def size(self, digest: str) -> int | None:
        """Bytes; None if no Image of that digest exists or none says how large it is.

        Raises StateUnavailableError if the Image API does not answer.
        """
        if digest in self._sizes:
            self._sizes.move_to_end(digest)
            return self._sizes[digest]
        task = self._asked.get(digest)
        if task is None:
            task = asyncio.create_task(self._ask(digest))
            self._asked[digest] = task
            task.add_done_callback(lambda _: self._asked.pop(digest, None))
        return await asyncio.shield(task)

    async def _ask(self, digest: str) -> int | None:
        if "/" in digest:
            return None
        try:
            content = await self._api.get(f"{self._path}/{digest}")
            size = Image.model_validate(content).size
        except NotFoundError:
            return None
        except ApiError as error:
            raise StateUnavailableError(f"the size of {digest} is not known: {error}") from None
        except ValidationError:
            return None
        if size is not None:
            self._sizes[digest] = size
            if len(self._sizes) > self._capacity:
                self._sizes.popitem(last=False)
        return size
