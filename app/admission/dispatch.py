"""Finds the row of the table of kinds that decides a request, and makes the answer."""

from pydantic import ValidationError

from app.admission.kinds import Deciders, Kinds
from app.admission.references import TooManyReferencesError
from app.admission.review import (
    NO_OBJECT,
    AdmissionRequest,
    Outcome,
    invalid,
    not_handled,
    of_verdict,
    unavailable,
)
from app.model.base import problems
from app.model.domain import ApiDomain
from app.quota.state import StateUnavailableError

_IGNORED_SUBRESOURCES = frozenset({"finalizers", "layers", "scale", "secrets", "signatures"})
"""Subresources that store no image and no limit. Others are decided like their object."""


class Admission:
    """Answers every request with a verdict, or with the reason why there is none."""

    def __init__(self, deciders: Deciders, domain: ApiDomain) -> None:
        self._deciders = deciders
        self._kinds = Kinds(domain)

    async def validate(self, request: AdmissionRequest, within: float) -> Outcome:
        """Decide a request within that many seconds."""
        if request.sub_resource in _IGNORED_SUBRESOURCES:
            return not_handled(f"subresource {request.sub_resource} adds nothing")
        kind = self._kinds.get(request.kind.group, request.kind.kind)
        decide = kind.decide if kind else None
        if request.operation in ("DELETE", "CONNECT"):
            decide = kind.at_deletion if kind and request.operation == "DELETE" else None
            if decide is None:
                return not_handled(f"{request.operation} adds nothing")
        verdict = None
        if decide is not None:
            try:
                verdict = await decide(self._deciders, request, within)
            except ValidationError as error:
                found = list(problems(error)) if request.object is not None else [NO_OBJECT]
                return invalid(request.title, found)
            except TooManyReferencesError as error:
                return invalid(request.title, [str(error)], error.next_step)
            except StateUnavailableError as error:
                return unavailable(request.title, str(error), error.retry_after)
        if verdict is None:
            return not_handled(f"kind {request.kind.kind} is not limited")
        return of_verdict(request.title, verdict)

    async def mutate(self, request: AdmissionRequest, within: float) -> Outcome:
        """Set the defaults of Config/cluster and of new ServiceAccounts."""
        kind = self._kinds.get(request.kind.group, request.kind.kind)
        if kind is None or kind.fill_in is None:
            return not_handled("nothing to default")
        return kind.fill_in(self._deciders, request)
