"""From a request to the policy that decides it, and back to an answer."""

from collections.abc import Callable
from typing import Any

import jsonpatch
from pydantic import ValidationError

from app.admission.image_kinds import ImageAdmission
from app.admission.object_kinds import ObjectAdmission
from app.admission.references import TooManyReferencesError
from app.admission.review import (
    AdmissionRequest,
    Outcome,
    invalid,
    not_handled,
    of_verdict,
    unavailable,
)
from app.model.base import problems
from app.model.domain import ApiDomain
from app.policy.operator import registry_defaults
from app.policy.verdict import Verdict
from app.quota.state import StateUnavailableError

_NO_OBJECT = "object: missing from the request"


class Admission:
    """Answers every request: with a verdict, or with why there is none."""

    def __init__(
        self,
        images: ImageAdmission,
        objects: ObjectAdmission,
        domain: ApiDomain,
        service_accounts: Callable[[AdmissionRequest], Outcome] | None = None,
    ) -> None:
        """`service_accounts` fills in new ServiceAccounts; None: they stay as they are."""
        self._images = images
        self._objects = objects
        self._domain = domain
        self._service_accounts = service_accounts

    async def validate(self, request: AdmissionRequest, within: float) -> Outcome:
        """Decide a request within that many seconds."""
        if request.operation in ("DELETE", "CONNECT"):
            return not_handled(f"{request.operation} adds nothing")
        if request.sub_resource not in ("", "status"):
            return not_handled(f"subresource {request.sub_resource} adds nothing")
        try:
            verdict = await self._verdict(request, within)
        except ValidationError as error:
            found = list(problems(error)) if request.object is not None else [_NO_OBJECT]
            return invalid(request.title, found)
        except TooManyReferencesError as error:
            return invalid(request.title, [str(error)])
        except StateUnavailableError as error:
            return unavailable(request.title, str(error), error.retry_after)
        if verdict is None:
            return not_handled(f"kind {request.kind.kind} is not limited")
        return of_verdict(request.title, verdict)

    async def mutate(self, request: AdmissionRequest, within: float) -> Outcome:
        """Fill in what Config/cluster and new ServiceAccounts lack; all else stays as it is."""
        if (request.kind.group, request.kind.kind) == ("", "ServiceAccount"):
            if self._service_accounts is None:
                return not_handled("pull secrets are not managed")
            return self._service_accounts(request)
        config = (self._domain.operator_group, "Config")
        writes = request.operation in ("CREATE", "UPDATE") and not request.sub_resource
        if (request.kind.group, request.kind.kind) != config or not writes:
            return not_handled("nothing to default")
        if request.object is None:
            return invalid(request.title, [_NO_OBJECT])
        defaulted = registry_defaults.with_defaults(request.object, self._domain)
        patch: list[dict[str, Any]] = jsonpatch.make_patch(request.object, defaulted).patch
        return Outcome(patch=patch, audit={"defaulted": str(bool(patch)).lower()})

    async def _verdict(self, request: AdmissionRequest, within: float) -> Verdict | None:
        if request.kind.group == self._domain.image_group:
            return await self._images.review(request, within)
        return await self._objects.review(request)
