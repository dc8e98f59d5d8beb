"""AdmissionReview v1, the contract between the API server and this service."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from app.model.base import KubeModel, KubeObject, TextListMap
from app.policy.verdict import MAX_VIOLATIONS, MAX_WARNING, Verdict, Violation, shortened

API_VERSION = "admission.k8s.io/v1"
_MAX_WARNINGS = 12
NO_OBJECT = "object: missing from the request"
_SKIPPED = "skipped"
"""The audit annotation with the reason why there is no decision."""
_MAX_MESSAGE = 16 * 1024
"""Maximum characters of a refusal, which clients print and logs keep."""
_MAX_ANNOTATION = 4 * 1024
"""Maximum characters of one audit annotation."""

Model = TypeVar("Model", bound=KubeObject)
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


def _path_segment(name: str) -> str:
    """A name that is safe inside a path. Raises ValueError for others, such as `..`."""
    if name in (".", "..") or "/" in name or "%" in name:
        raise ValueError("no name of an object")
    return name


Name = Annotated[str, AfterValidator(_path_segment)]


class GroupVersionKind(KubeModel):
    group: str = ""
    version: str = ""
    kind: str = ""


class GroupVersionResource(KubeModel):
    group: str = ""
    version: str = ""
    resource: str = ""


class UserInfo(KubeModel):
    username: str = ""
    uid: str = ""
    groups: list[str] = Field(default_factory=list)
    extra: TextListMap = Field(default_factory=dict)


class AdmissionRequest(KubeModel):
    """One request; `object` and `old_object` are the decoded JSON objects."""

    uid: str = Field(min_length=1, max_length=128)
    kind: GroupVersionKind
    resource: GroupVersionResource = Field(default_factory=GroupVersionResource)
    sub_resource: str = ""
    name: Name = ""
    namespace: Name = ""
    operation: Operation
    user_info: UserInfo = Field(default_factory=UserInfo)
    object: dict[str, Any] | None = None
    old_object: dict[str, Any] | None = None
    dry_run: bool = False

    @property
    def title(self) -> str:
        """`Kind namespace/name`, for refusals and logs."""
        name = self.name or self._given_name
        return f"{self.kind.kind} " + (f"{self.namespace}/{name}" if self.namespace else name)

    @property
    def _given_name(self) -> str:
        """The name in the object, or `<generateName>*`. The request itself has no name if it is
        generated, or if a collection is deleted."""
        metadata = (self.object or self.old_object or {}).get("metadata")
        known = metadata if isinstance(metadata, dict) else {}
        name, beginning = known.get("name"), known.get("generateName")
        if isinstance(name, str) and name:
            return name
        return f"{beginning}*" if isinstance(beginning, str) else "*"

    @property
    def is_being_deleted(self) -> bool:
        """Whether the object is in deletion. Such an update is always allowed."""
        metadata = (self.object or {}).get("metadata")
        return isinstance(metadata, dict) and metadata.get("deletionTimestamp") is not None

    @property
    def is_unchanged(self) -> bool:
        """Whether an update changes metadata only."""
        if self.operation != "UPDATE" or self.old_object is None:
            return False
        new, old = dict(self.object or {}), dict(self.old_object)
        for content in (new, old):
            content.pop("metadata", None)
            content.pop("status", None)
        return new == old

    def changes_annotation(self, name: str) -> bool:
        """Whether an update sets, changes or removes this annotation. Raises ValidationError."""
        new, old = self.new(KubeObject), self.old(KubeObject)
        was = old.metadata.annotations.get(name) if old else None
        return new.metadata.annotations.get(name) != was

    def new(self, model: type[Model]) -> Model:
        """The object. Raises ValidationError."""
        return model.model_validate(self.object)

    def old(self, model: type[Model]) -> Model | None:
        """The stored version of the object; None if it does not exist or cannot be read."""
        if self.old_object is None:
            return None
        try:
            return model.model_validate(self.old_object)
        except ValidationError:
            return None


class AdmissionReview(KubeModel):
    api_version: Literal["admission.k8s.io/v1"]
    kind: Literal["AdmissionReview"]
    request: AdmissionRequest


@dataclass
class Outcome:
    """The answer to one request."""

    allowed: bool = True
    code: int = 200
    reason: str = ""
    message: str = ""
    causes: tuple[str, ...] = ()
    """The reasons of the refusal as short stable names, for metrics and audit."""
    violations: tuple[Violation, ...] = ()
    """The reasons to refuse it. If it is allowed: the reasons if its limits were enforced."""
    tolerated: tuple[Violation, ...] = ()
    """The violations of limits that are not enforced for this request."""
    exemption: str = ""
    """Why the request is exempt from limits, such as `user admin`; "" if it is not exempt."""
    warnings: list[str] = field(default_factory=list)
    audit: dict[str, str] = field(default_factory=dict)
    patch: list[dict[str, Any]] = field(default_factory=list)
    retry_after: int | None = None
    """Seconds until a retry is useful."""

    @property
    def would_be_refused(self) -> bool:
        """Whether it is allowed only because its limits are not enforced."""
        return self.allowed and bool(self.tolerated) and not self.exemption

    @property
    def reasons(self) -> tuple[str, ...]:
        """The causes of the refusal, or of the refusal if its limits were enforced."""
        return self.causes or tuple(dict.fromkeys(found.reason for found in self.tolerated))

    @property
    def handled(self) -> bool:
        """Whether a policy decided. Other requests are allowed unchecked."""
        return _SKIPPED not in self.audit

    def response(self, uid: str) -> dict[str, Any]:
        """The AdmissionReview that carries this answer."""
        response: dict[str, Any] = {"uid": uid, "allowed": self.allowed}
        if not self.allowed:
            response["status"] = self._status()
        if self.warnings:
            response["warnings"] = _bounded(self.warnings)
        if self.audit:
            response["auditAnnotations"] = {
                name: shortened(text, _MAX_ANNOTATION) for name, text in self.audit.items()
            }
        if self.patch:
            response["patchType"] = "JSONPatch"
            patch = json.dumps(self.patch, separators=(",", ":")).encode()
            response["patch"] = base64.b64encode(patch).decode()
        return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}

    def _status(self) -> Mapping[str, Any]:
        status = {
            "status": "Failure",
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
        }
        if self.retry_after is None:
            return status
        return {**status, "details": {"retryAfterSeconds": self.retry_after}}


def not_handled(why: str) -> Outcome:
    """Allowed: this service does not decide this object."""
    return Outcome(audit={_SKIPPED: why})


def of_verdict(title: str, verdict: Verdict) -> Outcome:
    """403 Forbidden with every violation, or allowed with the warnings.

    A violation of a limit of mode `warn` is a warning. All tolerated violations are in the audit
    annotations and in the message. The API server drops the message of an allowed request.
    """
    warnings = verdict.told_anyway + verdict.warnings
    tolerated = tuple(verdict.tolerated)
    notes = {**verdict.notes, **_tolerated_notes(verdict)}
    if verdict.allowed:
        return Outcome(
            message=shortened(f"{title}: {verdict.would_refuse}", _MAX_MESSAGE)
            if tolerated
            else "",
            violations=tolerated,
            tolerated=tolerated,
            exemption=verdict.exemption,
            warnings=warnings,
            audit={**notes, "verdict": "allowed"},
        )
    causes = verdict.reasons
    return Outcome(
        allowed=False,
        code=403,
        reason="Forbidden",
        message=shortened(f"{title}: {verdict.explanation}", _MAX_MESSAGE),
        causes=causes,
        violations=tuple(verdict.violations),
        warnings=warnings,
        audit={
            **notes,
            **({"exact": "; ".join(verdict.exact)} if verdict.exact else {}),
            "verdict": "denied",
            "reasons": ",".join(causes),
        },
    )


def _tolerated_notes(verdict: Verdict) -> dict[str, str]:
    if not verdict.tolerated:
        return {}
    reasons = ",".join(dict.fromkeys(found.reason for found in verdict.tolerated))
    exempt = {"exempt": verdict.exemption} if verdict.exemption else {}
    return {"would-refuse": reasons, **exempt}


def invalid(
    title: str, problems: list[str], next_step: str = "correct what is named and send it again"
) -> Outcome:
    """422 for an object whose shape cannot be read, naming every field that is wrong."""
    more = len(problems) - MAX_VIOLATIONS
    told = [*problems[:MAX_VIOLATIONS], *([f"and {more} more"] if more > 0 else [])]
    message = f"{title} is invalid: {'; '.join([*told, next_step])}"
    return _failure(422, "Invalid", "Invalid", message)


def unavailable(title: str, why: str, retry_after: int) -> Outcome:
    """503: there is no safe answer now; the client should retry."""
    message = f"{title}: registry-admission cannot decide now: {why}; try again"
    return _failure(503, "ServiceUnavailable", "StateUnavailable", message, retry_after)


def overloaded(title: str, retry_after: int) -> Outcome:
    """429: too many reviews at once."""
    message = f"{title}: registry-admission is busy; try again"
    return _failure(429, "TooManyRequests", "Overloaded", message, retry_after)


def _failure(
    code: int, reason: str, cause: str, message: str, retry_after: int | None = None
) -> Outcome:
    return Outcome(
        allowed=False,
        code=code,
        reason=reason,
        message=shortened(message, _MAX_MESSAGE),
        causes=(cause,),
        audit={"verdict": "denied", "reasons": cause},
        retry_after=retry_after,
    )


def _bounded(warnings: list[str]) -> list[str]:
    """Fit warnings into the API server's limits on length and number, and tell what is left out."""
    texts = [
        shortened(warning.replace("\n", " "), MAX_WARNING) for warning in dict.fromkeys(warnings)
    ]
    if len(texts) <= _MAX_WARNINGS:
        return texts
    more = len(texts) - _MAX_WARNINGS + 1
    return [*texts[: _MAX_WARNINGS - 1], f"… and {more} more warnings"]
