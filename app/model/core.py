"""ConfigMaps and Secrets."""

import base64
import binascii
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from app.model.base import KubeObject, TextMap
from app.model.stored import StoredObject

_PUBLIC = ("tls.crt", "ca.crt")


class ConfigMap(KubeObject):
    kind: str = "ConfigMap"
    data: TextMap = Field(default_factory=dict)


class Secret(StoredObject):
    """The keys of a Secret. Of the values only certificates, which are public, are kept."""

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: str = "Secret"
    filled: dict[str, bool] = Field(default_factory=dict)
    """Whether the value of each key is more than white space."""
    certificates: dict[str, bytes] = Field(default_factory=dict)
    """`tls.crt` and `ca.crt`, PEM."""

    @model_validator(mode="before")
    @classmethod
    def _forget_values(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        kept = {key: content[key] for key in ("apiVersion", "kind", "metadata") if key in content}
        values = {
            **{key: text.encode() for key, text in _texts(content, "stringData").items()},
            **{key: _decoded(text) for key, text in _texts(content, "data").items()},
        }
        return {
            **kept,
            "filled": {key: bool(value.strip()) for key, value in values.items()},
            "certificates": {key: values[key] for key in _PUBLIC if key in values},
        }


def _texts(content: dict[Any, Any], field: str) -> dict[str, str]:
    values = content.get(field)
    if not isinstance(values, dict):
        return {}
    return {str(key): str(text or "") for key, text in values.items()}


def _decoded(text: str) -> bytes:
    """The decoded bytes; empty for text that is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
