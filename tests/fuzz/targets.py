"""All targets, by name."""

from . import legacy, manifests, quantities, reviews, routes, stores
from .target import Target

ALL: dict[str, Target] = {
    module.TARGET.name: module.TARGET
    for module in (legacy, manifests, quantities, reviews, routes, stores)
}
