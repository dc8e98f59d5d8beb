"""Turns HTTP errors into Kubernetes `Status` objects."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "Timeout",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
}


class BadRequestError(HTTPException):
    """A request that cannot be read. `message` tells its sender why."""

    def __init__(
        self, message: str, code: int = 400, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(code, message, headers)


def too_many_requests() -> BadRequestError:
    message = "registry-admission has too many large requests to decide; try again"
    return BadRequestError(message, 429, {"Retry-After": "1"})


def status_response(code: int, message: str, headers: dict[str, str] | None = None) -> Response:
    content = {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": _REASONS.get(code, "InternalError" if code >= 500 else "BadRequest"),
        "message": message,
    }
    return JSONResponse(content, code, headers)


async def on_http_exception(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return status_response(500, "registry-admission failed; its log says why")
    headers = dict(error.headers) if error.headers else None
    return status_response(error.status_code, error.detail, headers)
