"""Checks of `spec.resources`, by the rules of the API server for the containers of a Pod.

If one is broken, the operator cannot create the Pods.
"""

from app.model.quantity import Quantity
from app.model.registry import Resources
from app.policy.names import is_label_name, nearest, placeholders
from app.policy.operator.field_checks import shown
from app.policy.verdict import Verdict

_COMPUTE = ("cpu", "memory")
_STANDARD = (*_COMPUTE, "ephemeral-storage")
_SPELLINGS = {name.replace("-", ""): name for name in _STANDARD}
_HUGE_PAGES = "hugepages-"
_NATIVE = "kubernetes.io/"
"""Part of the names that Kubernetes keeps for itself. Other names with a `/` are extended
resources."""
_OF_QUOTA = "requests."
"""The beginning of a name in a ResourceQuota. It counts for the length of an extended name."""
_ZERO = Quantity.of_count(0)


def check(verdict: Verdict, resources: Resources | None) -> None:
    if resources is None:
        return
    for kind, amounts in (("requests", resources.requests), ("limits", resources.limits)):
        for name, amount in amounts.items():
            if not placeholders(name):
                _check_name(verdict, kind, name)
            _check_amount(verdict, f"spec.resources.{kind}.{name}", name, amount)
    for name, request in sorted(resources.requests.items()):
        _check_request(verdict, name, request, resources.limits.get(name))
    named = resources.requests.keys() | resources.limits.keys()
    if any(name.startswith(_HUGE_PAGES) for name in named) and named.isdisjoint(_COMPUTE):
        verdict.deny(
            "HugePagesAlone",
            "spec.resources has huge pages, and neither cpu nor memory",
            "add a request or a limit of cpu or memory",
        )


def _check_name(verdict: Verdict, kind: str, name: str) -> None:
    if _is_extended(name):
        valid = not name.startswith(_OF_QUOTA) and is_label_name(_OF_QUOTA + name)
    else:
        standard = name in _STANDARD or name.startswith(_HUGE_PAGES) or _NATIVE in name
        valid = standard and is_label_name(name)
    if valid:
        return
    meant = nearest(name, _SPELLINGS)
    verdict.deny(
        "InvalidResourceName",
        f"spec.resources.{kind} has {shown(name)}, which is no resource of a container",
        f"did you mean {meant}?"
        if meant
        else f"name one of {', '.join(_STANDARD)}, {_HUGE_PAGES}<size> or <domain>/<resource>",
    )


def _check_amount(verdict: Verdict, path: str, name: str, amount: Quantity) -> None:
    if amount < _ZERO:
        verdict.deny("NegativeResource", f"{path} is {amount}, below 0", f"set {path} to 0 or more")
    elif _is_extended(name) and not amount.is_integer:
        verdict.deny(
            "InvalidResourceAmount",
            f"{path} is {amount}, not a whole number",
            f"set it to {amount.value}",
        )
    elif name.startswith(_HUGE_PAGES) and not _is_pages(name.removeprefix(_HUGE_PAGES), amount):
        verdict.deny(
            "InvalidResourceAmount",
            f"{path} is {amount}, not a number of whole pages of this size",
            "set it to a multiple of the page size",
        )


def _check_request(verdict: Verdict, name: str, request: Quantity, limit: Quantity | None) -> None:
    path, of_limit = f"spec.resources.requests.{name}", f"spec.resources.limits.{name}"
    if _is_extended(name) or name.startswith(_HUGE_PAGES):
        if request != limit:
            verdict.deny(
                "RequestNotLimit",
                f"{path} is {request}, and {of_limit} is {'missing' if limit is None else limit}",
                f"set {of_limit} to the same amount: this resource cannot be overcommitted",
            )
    elif limit is not None and request > limit:
        verdict.deny(
            "RequestAboveLimit",
            f"{path} is {request}, above {of_limit}, which is {limit}",
            f"lower the request to {limit}, or raise the limit",
        )


def _is_extended(name: str) -> bool:
    """Whether it is a resource of a device plugin, such as `nvidia.com/gpu`."""
    return "/" in name and _NATIVE not in name


def _is_pages(size: str, amount: Quantity) -> bool:
    try:
        page = Quantity(size)
    except ValueError:
        return False
    return page > _ZERO and page.is_integer and amount.value % page.value == 0
