"""The Secret with the user's credentials for the registry's storage.

Its values never appear in a message, a log or a repr.
"""

from typing import Any

from pydantic import ConfigDict, Field, SecretStr, field_validator

from app.model.base import KubeObject

SECRET = "image-registry-private-configuration-user"  # noqa: S105 - a name
S3_ACCESS_KEY = "REGISTRY_STORAGE_S3_ACCESSKEY"
S3_SECRET_KEY = "REGISTRY_STORAGE_S3_SECRETKEY"  # noqa: S105 - a name
S3_KEYS = (S3_ACCESS_KEY, S3_SECRET_KEY)


def create_command(namespace: str) -> str:
    """The command on Registry v2's page that creates the Secret for S3 storage."""
    return (
        f"kubectl -n {namespace} create secret generic {SECRET} "
        f"--from-literal={S3_ACCESS_KEY}=<access-key-id> "
        f"--from-literal={S3_SECRET_KEY}=<secret-access-key>"
    )


def patch_command(namespace: str) -> str:
    """The command that sets the same keys in an existing Secret."""
    keys = f'"{S3_ACCESS_KEY}":"<access-key-id>","{S3_SECRET_KEY}":"<secret-access-key>"'
    return f"kubectl -n {namespace} patch secret {SECRET} -p '{{\"stringData\":{{{keys}}}}}'"


class CredentialsSecret(KubeObject):
    """The Secret with its values, as in a request."""

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: str = "Secret"
    data: dict[str, SecretStr] = Field(default_factory=dict, repr=False)
    """Base64."""
    string_data: dict[str, SecretStr] = Field(default_factory=dict, repr=False)
    """Plain text. It replaces a value of the same key in `data`."""

    @field_validator("data", "string_data", mode="before")
    @classmethod
    def _null_is_empty(cls, values: Any) -> Any:
        """The API server returns an empty value as null."""
        if not isinstance(values, dict):
            return values
        return {key: "" if value is None else value for key, value in values.items()}
