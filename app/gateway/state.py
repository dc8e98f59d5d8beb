"""The state for decisions on pushes to a plain registry."""

from app.cluster.embedded import EmbeddedState
from app.gateway.coverage import Coverage
from app.gateway.inventory import Inventory
from app.model.image import ImageClaim, StoredImage
from app.model.limits import NamespaceLimits
from app.quota.usage import NamespaceUsage
from app.quota.view import View


class GatewayState:
    """Limits from a folder of manifests, usage from the inventory."""

    def __init__(self, folder: EmbeddedState, inventory: Inventory, coverage: Coverage) -> None:
        self._folder = folder
        self._inventory = inventory
        self._coverage = coverage

    def namespaces(self) -> list[str]:
        """Every namespace that has a limit or a repository."""
        return sorted({*self._folder.limited_namespaces(), *self._inventory.usage})

    def problems(self) -> list[str]:
        return [*self._folder.problems(), *self._coverage.problems()]

    def view(self) -> View:
        return self._folder.view()

    def limits(self, namespace: str) -> NamespaceLimits:
        return self._folder.limits(namespace)

    def limited_namespaces(self) -> list[str]:
        return self._folder.limited_namespaces()

    def usage(self, namespace: str) -> NamespaceUsage:
        return self._inventory.usage[namespace]

    def holds_images(self) -> bool:
        return self._inventory.usage.holds_images

    async def image(self, digest: str) -> ImageClaim | None:
        return await self._folder.image(digest)

    async def stored_image(self, digest: str) -> StoredImage | None:
        """The blobs that an image keeps in storage, if the folder has its Image."""
        return await self._folder.stored_image(digest)
