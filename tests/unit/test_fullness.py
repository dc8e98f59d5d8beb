"""The use of each limit, with the admitted members that are not seen stored."""

from app.model.limits import NamespaceLimits
from app.model.quantity import Quantity
from app.policy import fullness
from app.policy.fullness import Level
from app.quota.in_flight import InFlight, StreamInFlight
from app.quota.usage import NamespaceUsage, StreamUsage
from tests.unit.stores import DOMAIN, limit, quota

STREAMS, IMAGES, TAGS = DOMAIN.imagestreams, DOMAIN.images, DOMAIN.image_tags
STORED = NamespaceUsage()
STORED.put("app", StreamUsage({"v1": ("d1",), "v2": ("d1",)}))
IN_FLIGHT = InFlight(9, 1, 2, 3, {"app": StreamInFlight(4, 5), "web": StreamInFlight(6, 7)})


def test_quota_levels_come_before_unlimited_counts() -> None:
    limits = NamespaceLimits(quotas=(quota(images=5), quota(images=6, image_tags=7)))

    assert list(fullness.of_namespace("ns", STORED, limits, DOMAIN, IN_FLIGHT)) == [
        Level("Namespace", "ns", IMAGES, 1, Quantity("5"), "ResourceQuota q", 2),
        Level("Namespace", "ns", IMAGES, 1, Quantity("6"), "ResourceQuota q", 2),
        Level("Namespace", "ns", TAGS, 2, Quantity("7"), "ResourceQuota q", 3),
        Level("Namespace", "ns", STREAMS, 1, reserved=1),
    ]


def test_stream_levels_cover_stored_and_reserved_streams() -> None:
    limits = NamespaceLimits(stream_tags=limit("8"))

    assert list(fullness.of_streams(STORED, limits, DOMAIN, IN_FLIGHT)) == [
        Level("ImageStream", "app", IMAGES, 1, reserved=4),
        Level("ImageStream", "app", TAGS, 2, Quantity("8"), "LimitRange limits", 5),
        Level("ImageStream", "web", IMAGES, 0, reserved=6),
        Level("ImageStream", "web", TAGS, 0, Quantity("8"), "LimitRange limits", 7),
    ]


def test_image_level_has_no_reservation() -> None:
    limits = NamespaceLimits(image_size=limit("1Ki"))

    assert fullness.of_image("d1", 9, limits) == Level(
        "Image", "d1", "storage", 9, Quantity("1Ki"), "LimitRange limits"
    )


def test_room_excess_and_fraction_of_a_level() -> None:
    used = Level("Namespace", "ns", TAGS, 12, Quantity("10"), reserved=3)
    none = Level("Namespace", "ns", TAGS, 12)
    zero = Level("Namespace", "ns", TAGS, 0, Quantity("0"))

    assert (used.left, used.over, used.percent) == (-5, 2, 150)
    assert (none.left, none.over, none.percent) == (None, 0, None)
    assert (zero.left, zero.over, zero.percent) == (0, 0, 100)
