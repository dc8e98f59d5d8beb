"""Checks that a LimitRange or ResourceQuota limits what its author meant.

The API server stores any qualified name and any number. A misspelled limit looks like a limit and
limits nothing. Only items with the domain's names are checked.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from app.model.base import KubeObject
from app.model.domain import DOMAINS, ApiDomain
from app.model.limits import STORAGE, LimitRange, LimitRangeItem, ResourceQuota
from app.model.mode import MODES
from app.model.quantity import Format, Quantity
from app.policy.names import nearest
from app.policy.verdict import Verdict

_ZERO, _ONE, _MEBIBYTE = Quantity.of_count(0), Quantity.of_count(1), Quantity.of_bytes(2**20)
_UNIT_MISSING, _UNIT_GIVEN = "is its unit missing?", "is its unit meant?"
MAY_NOT_BE_MEANT = (_UNIT_MISSING, _UNIT_GIVEN)
"""The ends of warnings about a limit that is in force, and that may not be meant."""
UNKNOWN_MODE = "UnknownMode"
"""The reason to refuse a limit for its mode, which is an annotation."""
_CONSEQUENCE = "nothing is deleted, but a push that adds more is refused"


def check_limit_range(
    limit_range: LimitRange,
    *,
    domain: ApiDomain,
    largest: Mapping[str, tuple[str, int]] = MappingProxyType({}),
) -> Verdict:
    """Refuse misspelled, misplaced and malformed limits. Warn about limits without effect.

    `largest` maps a resource name such as `alauda.io/images` to the ImageStream of the namespace
    with the highest count, and to that count: a lower maximum is allowed with a warning. Several
    items of one type are fine, the lowest maximum applies.
    """
    check = _Check(domain, limit_range.title)
    check.mode(limit_range)
    for index, item in enumerate(limit_range.spec.limits):
        where = f"spec.limits[{index}]"
        if item.type in check.resources_of:
            check.item(where, item, largest)
        else:
            check.other_item(where, item)
    return check.verdict


def check_resource_quota(
    quota: ResourceQuota, *, domain: ApiDomain, used: Mapping[str, int] = MappingProxyType({})
) -> Verdict:
    """Refuse misspelled names, malformed counts and scopes. Warn about names without effect.

    `used` maps a resource name to the namespace's present count: a lower hard limit is allowed with
    a warning.
    """
    check = _Check(domain, quota.title)
    check.mode(quota)
    ours = [name for name in quota.spec.hard if check.quota_name(name)]
    for name in ours:
        count = used.get(name, 0)
        check.maximum("spec.hard", name, quota.spec.hard[name], f"{count} are used", count)
    scopes = {"scopes": quota.spec.scopes, "scopeSelector": quota.spec.scope_selector}
    for field, scope in scopes.items():
        if ours and scope:
            check.deny(
                "ScopedQuota",
                f"spec.{field} cannot apply to {', '.join(ours)}: images have no scope",
                "move these names to a ResourceQuota without scopes",
            )
    return check.verdict


class _Check:
    """The names of one domain, and the findings for one object."""

    def __init__(self, domain: ApiDomain, title: str) -> None:
        self.verdict = Verdict()
        self._domain = domain
        self._title = title
        self.resources_of = {
            domain.image_type: (STORAGE,),
            domain.stream_type: (domain.images, domain.image_tags),
        }
        self._places = {
            STORAGE: f"type {domain.image_type}",
            domain.images: f"type {domain.stream_type}",
            domain.image_tags: f"type {domain.stream_type}",
            domain.imagestreams: "spec.hard of a ResourceQuota",
        }
        self._counts = (domain.imagestreams, domain.images, domain.image_tags)
        self._types = {
            "image": domain.image_type,
            "imagestream": domain.stream_type,
            "imagetag": domain.stream_type,
            "imagestreamtag": domain.stream_type,
        }
        self._resources = {
            "image": domain.images,
            "imagestream": domain.imagestreams,
            "imagetag": domain.image_tags,
            "imagestreamtag": domain.image_tags,
            "storage": STORAGE,
        }

    def deny(self, reason: str, message: str, next_step: str) -> None:
        self.verdict.deny(reason, message, next_step)

    def warn(self, message: str) -> None:
        self.verdict.warn(f"{self._title}: {message}")

    def mode(self, item: KubeObject) -> None:
        """Refuse an unknown mode: users would not notice it before the first refusal."""
        name = self._domain.mode_annotation
        named = item.metadata.annotations.get(name)
        if named is not None and named not in MODES:
            self.deny(
                UNKNOWN_MODE,
                f"annotation {name} has the unknown value {named!r}",
                f"set it to one of {', '.join(MODES)}",
            )

    def item(
        self, where: str, item: LimitRangeItem, largest: Mapping[str, tuple[str, int]]
    ) -> None:
        """Check an item of a type of this service."""
        if not item.max:
            self.warn(f"{where} of type {item.type} has no max and limits nothing")
        for name, limit in item.max.items():
            if name in self.resources_of[item.type]:
                stream, count = largest.get(name, ("", 0))
                self.maximum(
                    f"{where}.max", name, limit, f"ImageStream {stream} has {count}", count
                )
            else:
                self._wrong_resource(f"{where}.max", item.type, name)
        for field, limits in _fields(item).items():
            if limits and field != "max":
                self.warn(f"{where}.{field} is ignored: type {item.type} has only max")

    def other_item(self, where: str, item: LimitRangeItem) -> None:
        """Check an item of another type, which may be a misspelled type of this service."""
        meant = nearest(item.type, self._types) if self._owns(item.type) else None
        if meant:
            self._misspelled(f'{where} has an unknown type "{item.type}"', meant)
            return
        if self._owns(item.type) or self._is_foreign(item.type):
            self._not_enforced(f'{where} of type "{item.type}"', self.resources_of)
        # The API server copies max to default, and default to defaultRequest: a name is refused
        # in the first field that has it, which is one that the user wrote.
        named: set[str] = set()
        for field, limits in _fields(item).items():
            for name in filter(self._owns, limits):
                resource = nearest(name, self._resources)
                if resource and name not in named:
                    self._misplaced(f"{where}.{field}", item.type, name, resource)
            named |= limits.keys()

    def quota_name(self, name: str) -> bool:
        """Whether a name in `spec.hard` is a count of this service. Reports it if it was meant to
        be."""
        if name in self._counts:
            return True
        meant = nearest(name, self._resources)
        if self._owns(name) and meant in self._counts:
            self._misspelled(f'spec.hard has no resource "{name}"', meant)
        elif self._owns(name) or self._is_foreign(name):
            self._not_enforced(f'spec.hard["{name}"]', self._counts)
        elif (meant := self._looks_like(name)) in self._counts:
            self.warn(
                f'spec.hard["{name}"] is not enforced by registry-admission: did you mean {meant}?'
            )
        return False

    def maximum(self, where: str, name: str, limit: Quantity, use: str, count: int) -> None:
        """Check an enforced limit against the present `count`, which `use` describes in words."""
        entry = f'{where}["{name}"] is {limit}'
        if not limit.has_digits:
            self.deny(
                "NoNumber", f"{entry}, a suffix without a number", "write the number before it"
            )
        elif limit < _ZERO:
            self.deny("NegativeLimit", f"{entry}, below 0", "set it to 0 or more")
        elif name == STORAGE and _ZERO < limit < _ONE:
            self.deny(
                "LessThanOneByte",
                f"{entry}, less than one byte",
                "m stands for thousandths: did you mean M or Mi?",
            )
        elif name == STORAGE and _ZERO < limit < _MEBIBYTE:
            self.warn(f"{entry}, and few images are smaller than 1Mi: {_UNIT_MISSING}")
        elif name != STORAGE and not limit.is_integer:
            self.deny("NotAnInteger", f"{entry}, a fraction", "set it to a whole number")
        elif name != STORAGE and limit.format is Format.BINARY and limit > _ZERO:
            self.warn(f"{entry}, and it is a count: {_UNIT_GIVEN}")
        elif limit < Quantity.of_count(count):
            self.warn(f"{entry}, but {use}; {_CONSEQUENCE}")

    def _wrong_resource(self, where: str, item_type: str, name: str) -> None:
        known = self.resources_of[item_type]
        meant = nearest(name, self._resources)
        if meant in known:
            self._misspelled(f'{where} has no resource "{name}"', meant)
        elif meant:
            self._misplaced(where, item_type, name, meant)
        elif self._owns(name):
            self._not_enforced(f'{where}["{name}"]', known)
        else:
            self.deny(
                "UnknownResource",
                f'{where} has no resource "{name}"',
                f"type {item_type} limits {' and '.join(known)}",
            )

    def _misspelled(self, message: str, meant: str) -> None:
        self.deny("MisspelledName", message, f"did you mean {meant}?")

    def _misplaced(self, where: str, item_type: str, name: str, meant: str) -> None:
        self.deny(
            "WrongType",
            f'{where}["{name}"] cannot be limited under type {item_type}',
            f"{meant} belongs under {self._places[meant]}",
        )

    def _not_enforced(self, subject: str, known: Iterable[str]) -> None:
        names = ", ".join(known)
        self.warn(f"{subject} is not enforced by registry-admission, which knows {names}")

    def _owns(self, name: str) -> bool:
        return name.partition("/")[0] in (self._domain.name, self._domain.image_group)

    def _is_foreign(self, name: str) -> bool:
        """Whether the other domain spells a name of ours like this."""
        prefix = name.partition("/")[0]
        return (
            prefix in DOMAINS
            and prefix != self._domain.name
            and nearest(name, self._resources) is not None
        )

    def _looks_like(self, name: str) -> str | None:
        """The name of ours that a name in the form of another kind of quota resembles.

        Kubernetes limits extended resources as `requests.<domain>/<resource>`, and objects of its
        own API server as `count/<plural>.<group>`.
        """
        prefix, _, resource = name.partition("/")
        group = prefix
        if prefix == "count":
            resource, _, group = resource.partition(".")
        of_registry = group.endswith(tuple(f".{domain}" for domain in DOMAINS))
        return nearest(resource, self._resources) if of_registry else None


def _fields(item: LimitRangeItem) -> dict[str, dict[str, Quantity]]:
    return {
        "max": item.max,
        "min": item.min,
        "default": item.default,
        "defaultRequest": item.default_request,
        "maxLimitRequestRatio": item.max_limit_request_ratio,
    }
