"""A state and a clock that tests set by hand."""

from app.model.domain import ApiDomain
from app.model.image import ImageClaim
from app.model.limits import NO_LIMITS, HardLimits, Limit, NamespaceLimits
from app.model.quantity import Quantity
from app.quota.usage import NamespaceUsage, StreamUsage, UsageIndex
from app.quota.view import View

DOMAIN = ApiDomain()


class FakeState:
    """A ClusterState with values that tests can set."""

    def __init__(self, limits: NamespaceLimits = NO_LIMITS) -> None:
        self.index = UsageIndex()
        self.now = 1000.0
        self.lag = 0.0
        self.position = 0
        self.sizes: dict[str, int] = {}
        """Bytes of the stored Images, by digest."""
        self.images: dict[str, ImageClaim] = {}
        """The claims of other stored Images."""
        self.reasons: list[str] = []
        self._limits = limits

    def clock(self) -> float:
        return self.now

    def view(self) -> View:
        return View(self.position, self.now - self.lag)

    def problems(self) -> list[str]:
        return self.reasons

    def limits(self, namespace: str) -> NamespaceLimits:
        return self._limits

    def set_limits(self, limits: NamespaceLimits) -> None:
        self._limits = limits

    def limited_namespaces(self) -> list[str]:
        return [] if self._limits == NO_LIMITS else list(self.index)

    def usage(self, namespace: str) -> NamespaceUsage:
        return self.index[namespace]

    def holds_images(self) -> bool:
        return self.index.holds_images

    async def image(self, digest: str) -> ImageClaim | None:
        if digest in self.sizes:
            return ImageClaim(digest, self.sizes[digest])
        return self.images.get(digest)

    def store(self, namespace: str, stream: str, tags: dict[str, tuple[str, ...]]) -> None:
        """Store an admitted push, as the Image API does."""
        self.index.put(namespace, stream, StreamUsage(tags))


def quota(
    *, imagestreams: int | None = None, images: int | None = None, image_tags: int | None = None
) -> HardLimits:
    def count(number: int | None) -> Quantity | None:
        return None if number is None else Quantity.of_count(number)

    return HardLimits("q", count(imagestreams), count(images), count(image_tags))


def limit(text: str) -> Limit:
    return Limit("limits", Quantity(text))
