"""OpenAPI models of requests and answers that the code reads and writes itself."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Responses = dict[int | str, dict[str, Any]]


class Message(BaseModel):
    """A JSON object of this service, with names in camelCase."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True
    )


class Status(Message):
    """A Kubernetes `Status`: why the request failed."""

    api_version: Literal["v1"]
    kind: Literal["Status"]
    status: Literal["Failure"]
    code: int
    reason: str
    message: str


class OciError(Message):
    code: str
    message: str
    detail: dict[str, Any] = {}


class OciErrors(Message):
    """Errors in the form of the OCI distribution spec."""

    errors: list[OciError]


class Readiness(Message):
    ready: bool
    reasons: list[str]
    warnings: list[str] = []


class Version(Message):
    version: str


class Refusal(Message):
    status: Literal["Failure"]
    code: int
    reason: str
    message: str
    details: dict[str, int] = Field({}, description="`retryAfterSeconds`, where it makes sense.")


class ReviewResponse(Message):
    uid: str
    allowed: bool
    status: Refusal | None = Field(None, description="Only of a refusal.")
    warnings: list[str] = Field([], max_length=12)
    audit_annotations: dict[str, str] = {}
    patch_type: Literal["JSONPatch"] | None = None
    patch: str | None = Field(None, description="A JSONPatch (RFC 6902) in base64.")


class ReviewAnswer(Message):
    api_version: Literal["admission.k8s.io/v1"]
    kind: Literal["AdmissionReview"]
    response: ReviewResponse


BODY_ERRORS: Responses = {
    400: {"model": Status, "description": "The body cannot be understood."},
    408: {"model": Status, "description": "The body did not come in in time."},
    413: {"model": Status, "description": "The body is too large."},
    415: {"model": Status, "description": "The body is not JSON."},
    429: {"model": Status, "description": "Too many bodies are read at once; try again."},
}
REVIEW_ERRORS: Responses = {
    **BODY_ERRORS,
    401: {"model": Status, "description": "A client certificate is asked for."},
}
ASKED_ERRORS: Responses = {
    **BODY_ERRORS,
    400: {"model": Status | OciErrors, "description": "The question cannot be understood."},
    401: {"model": OciErrors, "description": "The token is missing or unknown."},
    403: {"model": OciErrors, "description": "The token's owner may not push there."},
    429: {"model": Status | OciErrors, "description": "Too much is asked at once; try again."},
    503: {"model": OciErrors, "description": "There is no safe answer now; try again."},
}


def request_body(model: type[BaseModel]) -> dict[str, Any]:
    """The `requestBody` of an operation whose code reads `model`, which must not be recursive."""
    schema = model.model_json_schema()
    content = {"application/json": {"schema": _inlined(schema, schema.get("$defs", {}))}}
    return {"required": True, "content": content}


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema with its references replaced: inside of an operation they cannot be resolved."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(item, definitions) for key, item in node.items() if key != "$defs"}
