"""Errors of the OCI distribution spec: `{"errors": [{"code", "message", "detail"}]}`."""

from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse

from app.policy.verdict import MAX_VIOLATIONS, Verdict
from app.quota.state import StateUnavailableError

STATUS_OF = {
    "BLOB_UPLOAD_INVALID": 400,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DENIED": 403,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 404,
    "MANIFEST_INVALID": 400,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "SIZE_INVALID": 400,
    "TOOMANYREQUESTS": 429,
    "UNAUTHORIZED": 401,
    "UNAVAILABLE": 503,
    "UNSUPPORTED": 405,
}
"""The HTTP status of each code."""


@dataclass
class RegistryError(Exception):
    """One refusal. Clients print only its message, so the message is complete."""

    code: str
    message: str
    detail: dict[str, Any] = field(default_factory=dict)
    retry_after: int | None = None
    """Seconds until a retry is useful."""

    def __str__(self) -> str:
        return self.message

    @property
    def status(self) -> int:
        return STATUS_OF[self.code]

    @property
    def body(self) -> dict[str, Any]:
        error = {"code": self.code, "message": self.message}
        return {"errors": [{**error, "detail": self.detail} if self.detail else error]}

    @property
    def headers(self) -> dict[str, str]:
        if self.code == "UNAUTHORIZED":
            return {"WWW-Authenticate": "Bearer"}
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, self.headers)


def denied(verdict: Verdict) -> RegistryError:
    """One error with every violation: some clients print only the first error."""
    return RegistryError(
        "DENIED",
        verdict.explanation,
        {
            "reasons": [found.reason for found in verdict.violations[:MAX_VIOLATIONS]],
            **({"exact": verdict.exact} if verdict.exact else {}),
        },
    )


def unavailable(error: StateUnavailableError) -> RegistryError:
    """There is no safe answer now; the client should retry."""
    message = f"registry-admission cannot decide now: {error}; try again"
    return RegistryError("UNAVAILABLE", message, retry_after=error.retry_after)
