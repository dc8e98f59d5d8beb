"""The base of all models of Kubernetes objects."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

DIGEST_PATTERN = r"^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$"
Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
"""A content digest, which is the name of an Image: `sha256:` and 64 hexadecimal digits, or
`sha512:` and 128. The OCI image spec registers these two algorithms."""


def without_nulls(data: Any) -> Any:
    if isinstance(data, dict) and None in data.values():
        return {key: value for key, value in data.items() if value is not None}
    return data


def _null_is(empty: Callable[[], Any]) -> BeforeValidator:
    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: empty() if one is None else one for key, one in value.items()}
        return value

    return BeforeValidator(replaced)


TextMap = Annotated[dict[str, str], _null_is(str)]
"""A map of text. `null` is the empty text, as it is for the API server."""
TextListMap = Annotated[dict[str, list[str]], _null_is(list)]
"""A map of lists of text. `null` is the empty list, as it is for the API server."""


class KubeModel(BaseModel):
    """An object as the API sends it: names in camelCase, unknown fields ignored.

    A field that is `null` counts as absent, as it does for the API server. A number in quotes is
    text and not a number.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="ignore",
        strict=True,
    )

    _null_is_absent = model_validator(mode="before")(staticmethod(without_nulls))


class ObjectMeta(KubeModel):
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    annotations: TextMap = Field(default_factory=dict)
    deletion_timestamp: str | None = None


class KubeObject(KubeModel):
    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)

    @property
    def title(self) -> str:
        """`Kind namespace/name`, the form that refusals and logs use."""
        name = self.metadata.name or f"{self.metadata.generate_name}*"
        if self.metadata.namespace:
            name = f"{self.metadata.namespace}/{name}"
        return f"{self.kind} {name}"


_MAX_PROBLEMS = 1000
_ERROR_TEXTS = {
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "extra_forbidden": "there is nothing of this name",
}
"""Replaces messages of pydantic that use words of Python, by error type."""


def problems(error: ValidationError) -> Iterator[str]:
    """Each problem of a ValidationError as `path.to.field: what is wrong`.

    Thousands of problems are only counted, for each of them takes time and memory.
    """
    if error.error_count() > _MAX_PROBLEMS:
        yield f"{error.error_count()} fields cannot be read"
        return
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        path = ".".join(str(part) for part in item["loc"])
        text = _ERROR_TEXTS.get(item["type"], item["msg"].removeprefix("Value error, "))
        yield f"{path}: {text}" if path else text
